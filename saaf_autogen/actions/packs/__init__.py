"""The actions that come with SAAF: warehouse and semantic."""
