from chaos.party import Victim


class Echo(Victim):
    """Answers, one call at a time."""
