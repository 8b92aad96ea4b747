import MarketModel
import ServiceRuntime
import StoreSinks

/// How long rows are kept, by table: `trades=30d,quotes=7d`. `bars` means the tables of bars and of
/// their replaced versions, and `bars.1s` the bars of one series. What is not named is kept for
/// ever.
struct RetentionPlan: Equatable, Sendable {
    struct Rule: Equatable, Sendable {
        /// A table, or `bars.` and a series.
        let table: String
        /// How many days of rows are kept.
        let days: Int
    }

    /// The rules in the order of the tables' names.
    let rules: [Rule]

    static let key = "WRITER_RETENTION"
    /// A hundred years: more is a mistake.
    static let daysMax = 36_500
    /// The tables that are divided into days: those of `time_tables()` in the schema.
    static let tables = [
        "bar_versions", "bars_long", "bars_short", "depth", "events", "fundamentals", "indicators",
        "late_ticks", "news", "options",
        "provider_bars", "quotes", "trades",
    ]

    /// Returns the plan of a configuration that the rule `retention` has checked.
    static func configured(_ configuration: Configuration) -> RetentionPlan {
        parse(configuration.list(key)).plan
    }

    var daysByTable: [String: Int] {
        Dictionary(uniqueKeysWithValues: rules.map { ($0.table, $0.days) })
    }

    /// Parses the items. Returns every problem, each as a separate clause.
    static func parse(_ items: [String]) -> (plan: RetentionPlan, problems: [String]) {
        var rules: [String: Rule] = [:]
        var ofAllBars: Rule?
        var problems: [String] = []
        for item in items {
            switch rule(item) {
            case .success(let rule) where rule.table == bars:
                if ofAllBars != nil { problems.append("\(bars) is named twice") }
                ofAllBars = rule
            case .success(let rule):
                if rules.updateValue(rule, forKey: rule.table) != nil {
                    problems.append("\(rule.table) is named twice")
                }
            case .failure(let problem): problems.append(problem.text)
            }
        }
        if let days = ofAllBars?.days {
            for table in barTables where rules[table] == nil {
                rules[table] = Rule(table: table, days: days)
            }
        }
        return (RetentionPlan(rules: rules.values.sorted { $0.table < $1.table }), problems)
    }

    private static let bars = SinkName.bars.rawValue
    private static let barTables = ["bar_versions", "bars_long", "bars_short"]

    private static func isSeries(_ table: String) -> Bool {
        table.hasPrefix("\(bars).") && SeriesName(String(table.dropFirst(bars.count + 1))) != nil
    }

    private struct Problem: Error {
        let text: String
    }

    private static func rule(_ item: String) -> Result<Rule, Problem> {
        let parts = item.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            return .failure(Problem(text: "\"\(item)\" is not of the form table=30d"))
        }
        let table = String(parts[0])
        guard tables.contains(table) || table == bars || isSeries(table) else {
            return .failure(
                Problem(
                    text: "\"\(table)\" is none of the tables that are cut by time "
                        + "(\(tables.joined(separator: ", "))), nor \(bars), nor \(bars).SERIES"))
        }
        guard parts[1].hasSuffix("d"), parts[1].utf8.dropLast().allSatisfy({ 48...57 ~= $0 }),
            let days = Int(parts[1].dropLast()), 1...daysMax ~= days
        else {
            return .failure(
                Problem(text: "\"\(item)\" does not keep 1d to \(daysMax)d, in whole days"))
        }
        return .success(Rule(table: table, days: days))
    }
}

extension ConfigurationRule {
    /// Checks all items of WRITER_RETENTION.
    static let retention = ConfigurationRule { configuration in
        let problems = RetentionPlan.parse(configuration.list(RetentionPlan.key)).problems
        return problems.isEmpty
            ? nil : "\(RetentionPlan.key): \(problems.joined(separator: "; "))"
    }

    /// Checks that compression does not begin too early. Late ticks, a day's corrections and
    /// repairs write to the last day or two, and each would have to unpack compressed rows.
    static let compression = ConfigurationRule { configuration in
        let age = configuration.duration("WRITER_COMPRESS_AFTER")
        guard age > .zero, age < .seconds(2 * 86_400) else { return nil }
        return "WRITER_COMPRESS_AFTER must be 0s, which is never, or at least 2d: what comes late "
            + "and what is repaired has to find its rows uncompressed"
    }
}
