"""What identity, policy and audit cost, against hosts that have none of them."""
