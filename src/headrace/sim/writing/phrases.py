"""The sentences that prose is dealt from.

``{topic}`` stands for the prompt's topic, ``{word}`` and ``{other}`` for single words of it, ``{n}`` for
a number, ``{snake}`` for an identifier.  They stand where neither case nor number matters.
"""

SIMULATED = "Simulated answer:"
NOTICE = f"{SIMULATED} no model was called."
THINKING_NOTICE = "Simulated thinking: there is nobody who thinks."
REFUSAL = "Simulated refusal: no model was called, and none would say why."
CALLING = "a model might now call {names}."
NO_TOOLS = "the request offers no tool that may be called."
TOOLS_ANSWERED = "the tools have answered, and nobody reads what."

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

THOUGHTS = (
    "The question is about {topic}; so much can be told from its words.",
    "Let me see what the user wants: an answer on {topic}, and soon.",
    "First the parts of {topic}, then how they hang together.",
    "Wait, that is too simple. Let me look at {topic} from the other side.",
    "There is no need to look anything up, since nothing can be.",
    "A list might do, or a table; the dice will tell.",
    "Then I should check it. Checked: it was made up.",
    "Good. Now to write it down, a token at a time.",
)

# Hard to cut: written in escapes, since editors show them as they like.
SCRIPTS = (
    "families: \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 and \U0001f469\U0001f3fd\u200d\U0001f680",
    (
        "flags: \U0001f1eb\U0001f1f7 \U0001f1ef\U0001f1f5 \U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074"
        "\U000e007f"
    ),
    "keycaps and variants: 1\ufe0f\u20e3 #\ufe0f\u20e3 \u2764\ufe0f \u2764\ufe0e",
    (
        "beyond the first plane: \U0001d518\U0001d52b\U0001d526\U0001d520\U0001d52c\U0001d521\U0001d522 \U0002070e "
        "\U00020731 \U0001f600\U0001f601\U0001f602"
    ),
    (
        "Chinese, Japanese, Korean: \u6c34\u5230\u6e20\u6210 \u6d41\u308c\u308b\u6c34 \ud750\ub974\ub294 \ubb3c "
        "\uff8a\uff9d\uff76\uff78"
    ),
    "Korean, taken apart: \u1112\u1173\u1105\u1173\u1102\u1173\u11ab",
    (
        "from right to left: \u05de\u05d9\u05dd \u05d6\u05d5\u05e8\u05de\u05d9\u05dd, \u0645\u064a\u0627\u0647 "
        "\u062c\u0627\u0631\u064a\u0629, and back"
    ),
    "with marks of direction: \u202btext\u202c \u2067text\u2069 \u200ftext\u200e",
    "combining: cafe\u0301 nai\u0308ve Z\u0351\u0344\u0300a\u0308\u0301\u0303 l\u0336i\u0336n\u0336e\u0336",
    (
        "Hindi, Thai, Tamil: \u0939\u093f\u0928\u094d\u0926\u0940 \u0e19\u0e49\u0e33\u0e44\u0e2b\u0e25 "
        "\u0ba8\u0bc0\u0bb0\u0bcd"
    ),
    "cases: \u0130stanbul, stra\u00dfe, \u01c4, \ufb01ne, \u039f\u03b4\u03cc\u03c2",
    "spaces: a\u00a0b\u2009c\u200bd\u3000e\u2060f\ufefff",
    "ends of lines that are none: a\u2028b\u2029c\u0085d\u000be\u000cf",
    'what JSON escapes: " \\ / \u0001 \u001f \t \u007f',
    "not characters: \ufffd \uffff \ue000 \U0010ffff",
)
