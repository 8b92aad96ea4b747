/// The names in a PromQL expression: metrics with the labels by which it selects, and the labels by
/// which it groups and matches. promtool checks whether the expression is valid.
struct QueryNames {
    struct Matcher: Hashable {
        let label: String
        let isEqual: Bool
        let value: String
    }

    struct Selector: Hashable {
        let metric: String
        let matchers: [Matcher]
    }

    private(set) var selectors: [Selector] = []
    private(set) var groupLabels: Set<String> = []
    /// The labels that `label_replace` makes.
    let madeLabels: Set<String>

    private enum Token: Hashable {
        case word(String)
        case text(String)
        case sign(Character)
    }

    private static let grouping: Set<String> = [
        "by", "without", "on", "ignoring", "group_left", "group_right",
    ]
    private static let operators: Set<String> = [
        "and", "or", "unless", "offset", "bool", "inf", "nan", "atan2",
    ]

    init(_ expression: String) {
        madeLabels = Set(
            expression.matches(of: /"([a-z_]+)", "[^"]*", "[^"]*", "[^"]*"\)/).map {
                String($0.output.1)
            })
        let tokens = Self.tokens(of: expression)
        var index = 0
        while index < tokens.count {
            guard case .word(let word) = tokens[index] else {
                index += 1
                continue
            }
            index += 1
            let follows = index < tokens.count ? tokens[index] : nil
            if Self.grouping.contains(word), follows == .sign("(") {
                index += 1
                while index < tokens.count, tokens[index] != .sign(")") {
                    if case .word(let label) = tokens[index] { groupLabels.insert(label) }
                    index += 1
                }
            } else if Self.operators.contains(word.lowercased()) || follows == .sign("(")
                || Self.isAggregation(word)
            {
                continue
            } else {
                let matchers = follows == .sign("{") ? Self.matchers(tokens, &index) : []
                selectors.append(Selector(metric: word, matchers: matchers))
            }
        }
    }

    /// Returns whether the word is an aggregation. Its grouping may come before the parenthesis:
    /// `sum by (a) (…)`.
    private static func isAggregation(_ word: String) -> Bool {
        ["sum", "min", "max", "avg", "count", "group", "topk", "bottomk", "quantile"].contains(word)
    }

    private static func matchers(_ tokens: [Token], _ index: inout Int) -> [Matcher] {
        var matchers: [Matcher] = []
        var label = ""
        var sign = ""
        index += 1
        while index < tokens.count, tokens[index] != .sign("}") {
            switch tokens[index] {
            case .word(let word): (label, sign) = (word, "")
            case .sign(","): sign = ""
            case .sign(let character): sign.append(character)
            case .text(let value):
                matchers.append(Matcher(label: label, isEqual: sign == "=", value: value))
            }
            index += 1
        }
        index += 1
        return matchers
    }

    private static func tokens(of expression: String) -> [Token] {
        var tokens: [Token] = []
        var rest = Substring(expression)
        while let first = rest.first {
            if first == "\"" || first == "'" {
                let inside = rest.dropFirst().prefix { $0 != first }
                tokens.append(.text(String(inside)))
                rest = rest.dropFirst(inside.count + 2)
            } else if first == "[" {
                // Skips a range, which may contain a colon.
                rest = rest.drop { $0 != "]" }.dropFirst()
            } else if first.isLetter || first == "_" || first == ":" {
                let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == ":" }
                tokens.append(.word(String(word)))
                rest = rest.dropFirst(word.count)
            } else if first.isNumber {
                // Skips a number with its unit: 5m, 1e9.
                rest = rest.drop { $0.isNumber || $0.isLetter || $0 == "." }
            } else {
                if !first.isWhitespace { tokens.append(.sign(first)) }
                rest = rest.dropFirst()
            }
        }
        return tokens
    }
}
