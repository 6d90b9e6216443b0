from chaos.party import Victim


class Crowd(Victim):
    """Answers, several calls at a time."""
