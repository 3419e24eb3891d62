"""The job itself: count the words of a text, and how often each occurs."""

import collections
import re

WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")


def count_words(text):
    return collections.Counter(word.lower() for word in WORD.findall(text))
