"""The sentences that prose is dealt from.

``{topic}`` stands for the prompt's topic, ``{word}`` and ``{other}`` for single words of it, ``{n}`` for
a number, ``{snake}`` for an identifier.  They stand where neither case nor number matters.
"""

OPENINGS = (
    "This is what an answer about **{topic}** looks like while it arrives.",
    "You asked about **{topic}**; here is a shape for the answer, without its substance.",
    "On the subject of **{topic}**, a seed has the floor.",
    "Nobody has thought about **{topic}** here, but the tokens come all the same.",
)

SENTENCES = (
    "The first thing to say about {topic} is that nothing was looked up: chance picked this sentence.",
    "Anyone who stays with {topic} for long meets *{word}* sooner or later.",
    "It helps to hold *{word}* and *{other}* apart, at least until the second café au lait.",
    "What matters rarely arrives at once; it comes piece by piece, much like this text.",
    "A naïve view puts *{word}* first, a patient one asks what came before it.",
    "There is a rule of thumb for {topic}: measure `{snake}` before you change it.",
    "Some would call *{word}* a façade – handsome from the street, and empty behind, as befits a simulation.",
    "In Chinese one says 水到渠成: where the water comes, a channel forms.",
    "The Japanese word 流れ (*nagare*) means a flow, of water or of talk, and would suit {topic} well.",
    "Of {n} people who were never asked, most had no opinion on *{word}*.",
    "The details of {topic} are left to a model that exists.",
    "Seen from a distance, *{word}* and *{other}* may look alike; up close, **the seams show**.",
    "Keep the question small, and {topic} will fit into an afternoon.",
    "If there were a diagram, an arrow would lead from *{word}* to *{other}* and, after {n} steps, back again.",
    "It pays to write down what *{word}* is **not**, before writing down what it is.",
    "Halfway through, a good answer about {topic} would change its mind; this one has none to change.",
    "The crème de la crème of advice is short: try it, look, and try again.",
    "Numbers help: `{snake} = {n}` says more than an adjective.",
    "Whoever reads this far has seen about {n} tokens go by, each of them picked by a throw of the dice.",
    "Then again, *{other}* has its own opinion about *{word}*. 🌊",
    "A résumé of {topic} in one line: it depends, mostly on *{word}*.",
    "[A link](https://example.com/) would stand here, if there were a source to name.",
    "Two rivers meet where *{word}* touches *{other}*, and neither keeps its name.",
    "~~The opposite is just as true~~, or would be, if anything here were meant.",
)

HEADINGS = (
    "Where to begin",
    "A closer look at {word}",
    "What to watch",
    "{word} and {other}",
    "À propos {word}",
    "The long way round",
    "Open questions",
    "What would remain",
)

POINTS = (
    "a place to begin, and to come back to",
    "seldom urgent, often overlooked",
    "worth {n} minutes before anything else",
    "best taken with *{other}*",
    "the part that everybody skips 🙂",
    "cheap to try, and easy to undo",
    "what the others stand on",
    "a matter of taste – or of `{snake}`",
    "où tout commence, as the French have it",
    "where surprises come from ✨",
    "said quickly, done slowly",
    "一歩ずつ, one step at a time",
)

FIVES = (
    "small words come in turn",
    "no model awake",
    "seeds fall into rows",
    "the cursor blinks on",
    "rain on the long screen",
    "a river of words",
)
SEVENS = (
    "dice roll where a mind would be",
    "tokens drift like fallen leaves",
    "one by one the pieces fall",
    "nobody thought of these lines",
    "each word knows only the last",
)
LAST_FIVES = (
    "nobody was asked",
    "then only the stop",
    "quiet, and then done",
    "the stream finds its end",
    "and the page is full",
)

ROWS = ("Cost", "Speed", "Risk", "Care", "Noise", "Use")
VERDICTS = ("✅ yes", "❌ no", "➖ so-so", "⭐ the best", "❓ unclear")
