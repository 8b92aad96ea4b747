internal import MarketModel
internal import StreamCore

/// Everything in a definition that decides its output, as one text. No two definitions share a
/// text. It is written out by hand, so that it depends neither on the names of fields nor on the
/// compiler.
struct CanonicalText {
    private(set) var text: String

    /// After the first release, raised with every change after which the same definition and tape
    /// give other output.
    static let semantics = 1

    init(_ definition: GraphDefinition) {
        text = "graph \(Self.semantics)"
        for node in definition.nodes {
            add("node", node.name)
            add(node.input)
            add(node.operation)
        }
        add("silent after \(definition.silentAfter)")
        for group in definition.groups.all {
            add("group", group.name.text)
            for member in group.members { add(member.text) }
        }
        for calendar in definition.calendars {
            add("calendar", calendar.name)
            for session in calendar.sessions {
                add(" \(session.open) \(session.close) \(session.day)")
            }
        }
    }

    /// Adds names and texts, each after its length.
    private mutating func add(_ words: String...) {
        for word in words { text += "|\(word.utf8.count):\(word)" }
    }

    private mutating func add(_ input: GraphInput) {
        switch input {
        case .ticks(let kind): add("ticks \(kind.rawValue)")
        case .node(let node): add("from \(node)")
        case .branch(let node, let branch): add("from \(node) branch \(branch)")
        }
    }

    private mutating func add(_ operation: GraphOperation) {
        switch operation {
        case .deduplicate(let rule):
            add("deduplicate \(rule.timeToLive) \(rule.entriesMax)")
            for field in rule.key { add(field.rawValue) }
        case .throttle(let rule): add("throttle \(rule.count) \(rule.per) \(rule.scope.rawValue)")
        case .filter(let condition): add(condition)
        case .route(let branches):
            for branch in branches {
                add("branch", branch.name)
                if let condition = branch.condition { add(condition) }
            }
        case .custom(let name, let settings):
            add("custom", name)
            for setting in settings { add(setting.name, setting.value) }
        case .join(let rule, let quotes):
            add("join \(rule.maxAge)")
            add(quotes)
        case .book(let rule): add("book \(rule.levels)")
        case .bars(let rule, let calendar): add(rule, calendar)
        case .aggregate(let rule, let calendar):
            add(rule.bars, calendar)
            for function in rule.functions { add(function.rawValue) }
        case .resample(let rule):
            add("resample", rule.from.text)
            if let provider = rule.provider {
                add("provider bars \(provider.data.rawValue)")
                add(provider.bars.window)
                add("late \(provider.bars.lateness)")
            }
            add(rule.series)
        case .breadth(let rule, let calendar): add(rule, calendar)
        case .scan(let rule): add(rule)
        }
    }

    private mutating func add(_ condition: TickExpression) {
        add("if")
        for instruction in condition.instructions { add(instruction) }
        for list in condition.symbolLists {
            add("list \(list.count)")
            for symbol in list { add(symbol.text) }
        }
    }

    private mutating func add(_ instruction: TickExpression.Instruction) {
        switch instruction {
        case .number(let value): add("\(value)")
        case .field(let field): add("field", field.rawValue)
        case .input(let place): add("input \(place)")
        case .add: add("+")
        case .subtract: add("-")
        case .multiply: add("*")
        case .divide: add("/")
        case .less: add("<")
        case .lessOrEqual: add("<=")
        case .equal: add("==")
        case .notEqual: add("!=")
        case .greaterOrEqual: add(">=")
        case .greater: add(">")
        case .textIs(let field, let wanted): add("is", field.rawValue, "\(wanted.raw)")
        case .textHas(let field, let code): add("has", field.rawValue, "\(code)")
        case .hasFlag(let flags): add("flag \(flags.rawValue)")
        case .isPaired: add("paired")
        case .symbolIsIn(let list): add("in \(list)")
        case .and: add("and")
        case .or: add("or")
        case .not: add("not")
        }
    }

    private mutating func add(_ rule: BarRule, _ calendar: String?) {
        add("bars of \(rule.field.rawValue)", calendar ?? "")
        switch rule.oddLots {
        case .count: add("odd lots count")
        case .volumeOnly(.size(let below)): add("odd lots volume \(below.raw)")
        case .volumeOnly(.lot): add("odd lots volume lot")
        case .exclude(.size(let below)): add("odd lots out \(below.raw)")
        case .exclude(.lot): add("odd lots out lot")
        }
        if let conditions = rule.conditions {
            add("conditions", conditions.name)
            for one in conditions.listed { add("\(one.code) \(one.effect.rawValue)") }
        }
        add(rule.series)
    }

    private mutating func add(_ series: BarSeriesSet) {
        for one in series.all {
            add(one.name.text)
            add(one.window)
            add("late \(one.lateness)")
            if case .previousClose(let max) = one.fill { add("fill \(max)") }
        }
    }

    private mutating func add(_ window: WindowRule) {
        switch window {
        case .tumbling(let width): add("tumbling \(width)")
        case .session(let width): add("session \(width ?? 0)")
        case .sliding(let width, let hop): add("sliding \(width) \(hop)")
        case .inactivity(let gap): add("inactivity \(gap)")
        case .ticks(let size): add("each \(size) ticks")
        case .volume(let size): add("each volume \(size)")
        case .dollars(let size): add("each dollars \(size)")
        }
    }

    private mutating func add(_ rule: BreadthRule, _ calendar: String?) {
        add("breadth", rule.series.text, calendar ?? "")
        if rule.warmsUp { add("warm up") }
        for symbol in rule.universe { add(symbol.text) }
        if !rule.sources.isEmpty { add("sources") }
        for source in rule.sources { add(source.text) }
        for measure in rule.measures {
            switch measure {
            case .advanceDecline: add("advance decline")
            case .advanceDeclineRatio: add("advance decline ratio")
            case .newHighs(let days): add("highs \(days)")
            case .newLows(let days): add("lows \(days)")
            case .aboveAverage(let days): add("above \(days)")
            }
        }
    }

    private mutating func add(_ rule: ScanRule) {
        add("scan", rule.series.text, rule.rank.rawValue, "\(rule.most)")
        for symbol in rule.universe { add(symbol.text) }
        if !rule.sources.isEmpty { add("sources") }
        for source in rule.sources { add(source.text) }
        add(rule.condition)
        for number in rule.numbers { add("number", number.rawValue) }
        guard let derivation = rule.derivation else { return }
        add("derive \(derivation.maxAge)")
        for input in derivation.inputs {
            switch input {
            case .bar(let symbol, let field): add("bar", symbol.text, field.rawValue)
            case .indicator(let one): add("value", one.alias, one.symbol.text, one.name)
            }
        }
    }
}
