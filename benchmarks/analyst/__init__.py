"""How good the answers of an agent are: questions with known answers, scored one by one; `make eval-analyst`."""
