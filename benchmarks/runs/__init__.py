"""What a durable run costs, beside the servers that people would use otherwise."""
