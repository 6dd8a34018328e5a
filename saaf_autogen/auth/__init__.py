"""Who calls and what they may do: principals, scopes, grants, policy, tokens, the issuer."""
