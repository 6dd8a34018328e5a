"""Which tables a question needs: SAAF against BM25 and plain vectors."""
