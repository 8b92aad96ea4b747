/// The help on one command. The complete page and the command's own page are made from it.
struct HelpTopic {
    enum Group: String, CaseIterable {
        case stack = "The local stack"
        case tape = "The tape"
        case bars = "Bars and rows"
        case recordings = "Recordings"
        case tool = "The tool"
    }

    /// One way to call the command, and its effect.
    struct Form {
        let usage: String
        let meaning: [String]
    }

    struct Option {
        let usage: String
        let meaning: [String]

        init(_ usage: String, _ meaning: String...) {
            self.usage = usage
            self.meaning = meaning
        }
    }

    let word: String
    let group: Group
    let forms: [Form]
    var options: [Option] = []
    var examples: [String] = []

    init(_ word: String, _ group: Group, _ forms: [(String, [String])]) {
        self.word = word
        self.group = group
        self.forms = forms.map { Form(usage: $0.0, meaning: $0.1) }
    }

    func with(_ options: [Option], examples: [String] = []) -> HelpTopic {
        var topic = self
        topic.options = options
        topic.examples = examples
        return topic
    }

    // MARK: text

    private static let formColumn = 12
    private static let optionColumn = 20

    /// The command's part of the complete page.
    var summary: String {
        forms.map { Self.row($0.usage, $0.meaning, column: Self.formColumn) }
            .joined(separator: "\n")
    }

    /// The text that `tapeline WORD --help` prints.
    var page: String {
        var parts = ["Usage:\n" + forms.map { "  tapeline \($0.usage)" }.joined(separator: "\n")]
        let meanings = forms.filter { !$0.meaning.isEmpty }.map { form in
            (forms.count > 1 ? ["\(form.usage):"] : []) + form.meaning
        }
        parts += meanings.map { $0.joined(separator: "\n") }
        if !options.isEmpty {
            parts.append(
                "Options:\n"
                    + options.map { Self.row($0.usage, $0.meaning, column: Self.optionColumn) }
                    .joined(separator: "\n"))
        }
        if !examples.isEmpty {
            parts.append("Examples:\n" + examples.map { "  \($0)" }.joined(separator: "\n"))
        }
        return parts.joined(separator: "\n\n")
    }

    /// Returns the name with its meaning beside it, or below it if the name is too long.
    private static func row(_ name: String, _ meaning: [String], column: Int) -> String {
        let blanks = String(repeating: " ", count: column)
        let head = "  \(name)"
        guard head.count < column else {
            return ([head] + meaning.map { blanks + $0 }).joined(separator: "\n")
        }
        return
            ([head.padded(to: column) + (meaning.first ?? "")]
            + meaning.dropFirst().map { blanks + $0 }).joined(separator: "\n")
    }
}
