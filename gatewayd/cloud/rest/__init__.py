"""The cloud's REST API: HTTP transport, table of endpoints, and one typed class per section of the API."""
