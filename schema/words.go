package schema

import (
	"errors"
	"strings"
)

// splitWords splits a command line into words as `docker stack deploy` does:
// quotes, backslashes, and comments from a # at the beginning of a word to the
// end of its line. Nothing is expanded.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	runes := []rune(line)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case strings.ContainsRune(" \t\r\n", r):
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		case r == '#' && !inWord:
			for i+1 < len(runes) && runes[i+1] != '\n' {
				i++
			}
		case r == '\\':
			if i++; i == len(runes) {
				return nil, errors.New("a backslash at the end escapes nothing")
			}
			word.WriteRune(runes[i])
			inWord = true
		case r == '\'' || r == '"':
			end, err := quoted(runes, i, &word)
			if err != nil {
				return nil, err
			}
			i, inWord = end, true
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted writes what stands between the quote at i and its end, and returns the
// index of the end.
func quoted(runes []rune, i int, word *strings.Builder) (int, error) {
	quote := runes[i]
	for i++; i < len(runes); i++ {
		switch {
		case runes[i] == quote:
			return i, nil
		case runes[i] == '\\' && quote == '"' && i+1 < len(runes):
			i++
		}
		word.WriteRune(runes[i])
	}
	return 0, errors.New("the quote " + string(quote) + " is not closed")
}
