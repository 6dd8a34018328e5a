"""What the SQL guard costs, and whether it lets good queries through."""
