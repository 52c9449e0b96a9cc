"""Who is calling: API keys, the tenants behind them, and what they may do."""
