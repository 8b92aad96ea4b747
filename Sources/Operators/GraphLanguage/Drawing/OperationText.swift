internal import MarketModel
internal import OperatorGraph
internal import Primitives
internal import StreamCore
internal import YAMLFile

// A description of a node's operation: one line, and some details.
extension GraphOperation {
    var summary: String {
        switch self {
        case .deduplicate(let rule):
            let key = rule.key.map(\.rawValue).joined(separator: ", ")
            return "deduplicate by \(key) for \(duration(rule.timeToLive)), at most "
                + "\(rule.entriesMax) entries, ticks "
                + (rule.asksForID ? "without id pass" : "that are equal are dropped")
        case .throttle(let rule):
            return "throttle to \(rule.count) per \(duration(rule.per)) and \(rule.scope.rawValue)"
        case .filter(let expression): return "filter \(expression.text)"
        case .route(let branches):
            return "route to \(branches.map(\.name).joined(separator: ", "))"
        case .custom(let name, _): return "custom code \(name)"
        case .join(let rule, _):
            return "join, a quote counts for \(duration(rule.maxAge))"
        case .book(let rule):
            return "books, the best \(rule.levels == 1 ? "row" : "\(rule.levels) rows") of a side"
        case .bars(let rule, let calendar): return "bars of \(rule.summary(calendar))"
        case .aggregate(let rule, let calendar):
            let functions = rule.functions.map(\.rawValue).joined(separator: ", ")
            return "\(functions) of \(rule.bars.summary(calendar))"
        case .resample(let rule):
            guard let provider = rule.provider else { return "bars from the bars \(rule.from)" }
            let data = ProviderBarChoice.choices.first { $0.data == provider.data }?.name ?? "?"
            return "bars from the provider's bars of \(rule.from), of \(data)"
        case .breadth(let rule, let calendar):
            let universe = rule.universe.isEmpty ? "all symbols" : "\(rule.universe.count) symbols"
            return "breadth of \(universe) by the bars \(rule.series)"
                + (rule.warmsUp ? ", warmed up by the provider's days" : "")
                + (calendar.map { ", calendar \($0)" } ?? "")
        case .scan(let rule) where rule.derivation != nil:
            return "\(rule.condition.text) by the bars \(rule.series)"
                + (rule.derivation.map(\.maxAge).flatMap { $0 > 0 ? duration($0) : nil }
                    .map { ", a close counts for \($0)" } ?? "")
        case .scan(let rule):
            let universe = rule.universe.isEmpty ? "all symbols" : "\(rule.universe.count) symbols"
            return "scan of \(universe) by the bars \(rule.series): \(rule.condition.text), "
                + "the \(rule.most) greatest by \(rule.rank.rawValue)"
        }
    }

    var details: [String] {
        switch self {
        case .deduplicate, .throttle, .filter, .join, .book: []
        case .route(let branches):
            branches.map { "\($0.name): \($0.condition?.text ?? "else")" }
        case .custom(_, let settings): settings.map { "\($0.name): \($0.value)" }
        case .bars(let rule, _): rule.series.all.map(\.summary)
        case .aggregate(let rule, _): rule.bars.series.all.map(\.summary)
        case .resample(let rule): rule.series.all.map(\.summary)
        case .breadth(let rule, _): rule.measures.map(\.summary)
        case .scan(let rule):
            rule.derivation?.inputs.map(\.summary) ?? rule.numbers.map(\.rawValue)
        }
    }
}

extension LiveEdge {
    var summary: String {
        "live: \(capacity) ticks, \(overflow.rawValue), marks at \(high) and \(low)"
    }
}

extension BarRule {
    fileprivate func summary(_ calendar: String?) -> String {
        var parts = [field == .trade ? "trades" : "\(field.shown) of \(field.kind.shown)"]
        if let conditions { parts.append("conditions \(conditions.name)") }
        switch oddLots {
        case .count: break
        case .volumeOnly(let below): parts.append("volume alone of sizes below \(below.summary)")
        case .exclude(let below): parts.append("without sizes below \(below.summary)")
        }
        if let calendar { parts.append("calendar \(calendar)") }
        return parts.joined(separator: ", ")
    }
}

extension Derivation.Input {
    fileprivate var summary: String {
        switch self {
        case .bar(let symbol, let field): "\(field.rawValue) of \(symbol)"
        case .indicator(let one): "\(one.alias): \(one.name) of \(one.symbol)"
        }
    }
}

extension InputField {
    /// The number by its name in the file.
    fileprivate var shown: String { self == .bookMiddle ? "middle" : "\(self)" }
}

extension OddLotLimit {
    fileprivate var summary: String {
        switch self {
        case .size(let size): amount(size.raw)
        case .lot: "the symbol's lot"
        }
    }
}

extension BarSeries {
    fileprivate var summary: String {
        var parts = [window.summary]
        if lateness > 0 { parts.append("late by up to \(duration(lateness))") }
        if case .previousClose(let max) = fill {
            parts.append("filled with the previous close for \(max) windows")
        }
        return "\(name): \(parts.joined(separator: ", "))"
    }
}

extension WindowRule {
    fileprivate var summary: String {
        switch self {
        case .tumbling(let width): "every \(duration(width))"
        case .session(.none): "every session"
        case .session(.some(let width)): "every \(duration(width)) of a session"
        case .sliding(let width, let hop): "\(duration(width)) every \(duration(hop))"
        case .inactivity(let gap): "up to a pause of \(duration(gap))"
        case .ticks(let size): "every \(size) ticks"
        case .volume(let size): "every volume of \(amount(size))"
        case .dollars(let size): "every turnover of \(amount(size))"
        }
    }
}

extension BreadthMeasure {
    fileprivate var summary: String {
        switch self {
        case .advanceDecline: "advancing less declining"
        case .advanceDeclineRatio: "advancing over declining"
        case .newHighs(let days): "new highs of \(days) days"
        case .newLows(let days): "new lows of \(days) days"
        case .aboveAverage(let days): "share above the mean of \(days) days"
        }
    }
}

private func duration(_ nanoseconds: Int64) -> String { YAMLScalar.text(ofDuration: nanoseconds) }

private func amount(_ raw: Int64) -> String {
    FixedPoint.text(raw, decimals: Quantity.decimals)
}
