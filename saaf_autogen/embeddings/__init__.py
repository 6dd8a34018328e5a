"""Vectors of texts: a model that runs offline in the process, or an endpoint that speaks OpenAI."""
