"""What every process of logoscore has, app and host alike: clients, provider, events, tokens in use."""
