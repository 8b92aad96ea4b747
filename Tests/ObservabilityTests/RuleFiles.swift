import TestSupport
import YAMLFile

/// The shipped rules, and the tests beside them.
struct RuleFiles {
    static let folder = "deploy/prometheus"

    struct Alert {
        let file: String
        let name: String
        let expression: String
        /// Those that the rule itself adds.
        let labels: [String: String]
        let annotations: [String: String]

        var severity: String? { labels["severity"] }

        /// The name of its page in `docs/runbooks`.
        var runbook: String {
            let file = annotations["runbook_url"]?.split(separator: "/").last ?? ""
            return String(file.dropLast(3))
        }

        /// The labels that its tests have to expect: once for each provider and each cause that the
        /// expression names.
        var expectedLabels: [[String: String]] {
            let named = expression.matches(of: /"(provider|what)", "([a-z-]+)"/).map {
                labels.merging([String($0.output.1): String($0.output.2)]) { $1 }
            }
            return named.isEmpty ? [labels] : named
        }
    }

    struct Record {
        let name: String
        let expression: String
        var labels: [String: String] = [:]
    }

    private(set) var alerts: [Alert] = []
    private(set) var records: [Record] = []
    let names: [String]

    init() throws {
        names = try CheckoutFiles.names(in: Self.folder, ending: ".rules.yml")
        for file in names {
            let root = try CheckoutFiles.yaml("\(Self.folder)/\(file)")
            let rules = (root["groups"]?.sequence ?? []).flatMap { $0["rules"]?.sequence ?? [] }
            for rule in rules { add(rule, file) }
        }
    }

    private mutating func add(_ rule: YAMLNode, _ file: String) {
        let expression = rule["expr"]?.text ?? ""
        if let name = rule["alert"]?.text {
            alerts.append(
                Alert(
                    file: file, name: name, expression: expression,
                    labels: Self.texts(rule["labels"]), annotations: Self.texts(rule["annotations"])
                ))
        } else if let name = rule["record"]?.text {
            records.append(
                Record(name: name, expression: expression, labels: Self.texts(rule["labels"])))
        }
    }

    static func texts(_ node: YAMLNode?) -> [String: String] {
        Dictionary((node?.mapping ?? []).map { ($0.key, $0.value.text ?? "") }) { $1 }
    }
}

/// Finds metrics, labels and values in an expression that no program exports.
struct ExpressionCheck {
    let catalogue: MetricCatalogue
    /// The labels of the recording rules by their names.
    private let records: [String: Set<String>]

    init(_ catalogue: MetricCatalogue, _ records: [RuleFiles.Record]) {
        self.catalogue = catalogue
        var known: [String: Set<String>] = [:]
        for record in records {
            let query = QueryNames(record.expression)
            // What is made of other recorded series has their labels.
            let inherited = query.selectors.compactMap { known[$0.metric] }.reduce(into: Set()) {
                $0.formUnion($1)
            }
            known[record.name, default: []].formUnion(
                query.groupLabels.union(query.madeLabels).union(record.labels.keys).union(inherited)
            )
        }
        self.records = known
    }

    func problems(_ expression: String) -> [String] {
        let query = QueryNames(expression)
        var problems: [String] = []
        var known = MetricCatalogue.targetLabels.union(query.madeLabels)
        for selector in query.selectors {
            guard let labels = labels(of: selector.metric) else {
                problems.append("nothing exports \(selector.metric)")
                continue
            }
            known.formUnion(labels.keys)
            for matcher in selector.matchers where matcher.label != "job" {
                guard matcher.label != "instance" else { continue }
                guard let values = labels[matcher.label] else {
                    problems.append("\(selector.metric) has no label \(matcher.label)")
                    continue
                }
                let wanted =
                    matcher.isEqual
                    ? [matcher.value] : matcher.value.split(separator: "|").map(String.init)
                let isPattern = matcher.value.contains(/[.+*\[]/)
                if let values, !isPattern, !values.isSuperset(of: wanted) {
                    problems.append(
                        "\(selector.metric): \(matcher.label) is never '\(matcher.value)'")
                }
            }
        }
        let strange = query.groupLabels.subtracting(known).sorted()
        return problems + strange.map { "nothing in it has a label \($0)" }
    }

    private func labels(of name: String) -> [String: Set<String>?]? {
        if let record = records[name] {
            return Dictionary(uniqueKeysWithValues: record.map { ($0, nil) })
        }
        return catalogue.metric(name)?.labels
    }
}
