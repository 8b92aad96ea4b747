internal import MarketModel
internal import StreamCore
internal import YAMLFile

/// The series of one node, with the name of the calendar for their sessions.
struct NodeSeries {
    var all: [(series: BarSeries, position: YAMLPosition)] = []
    var calendar: String?
}

extension GraphReader {
    private static let example = "[1s, {name: 1m, width: 1m, lateness: 30s}]"
    private static let windowKeys = [
        "width", "every", "session", "ticks", "volume", "dollars", "inactivity",
    ]

    /// Reads the series; `nil` when they are missing or one is wrong.
    mutating func series(_ draft: NodeDraft) -> NodeSeries? {
        let node = draft.fields.required("series", of: draft.owner, as: Self.example, &problems)
        guard let items = problems.list(node, "\(draft.owner): series", as: Self.example) else {
            return nil
        }
        var series = NodeSeries()
        if let node = draft.fields["calendar"],
            let name = problems.text(node, "\(draft.owner): calendar")
        {
            series.calendar = name
            use(calendar: name, at: node.position)
        }
        for item in items {
            if let one = one(item, of: draft, &series) { series.all.append((one, item.position)) }
        }
        return series.all.count == items.count ? series : nil
    }

    private mutating func one(
        _ item: YAMLNode, of draft: NodeDraft, _ node: inout NodeSeries
    ) -> BarSeries? {
        if let scalar = item.scalar {
            do throws(StreamCoreError) {
                let series = try BarSeries(scalar.text)
                return checkResolution(series, at: item.position) ? series : nil
            } catch {
                problems.add(item.position, "\(draft.owner): \(error)")
                return nil
            }
        }
        let known = ["name"] + Self.windowKeys + ["lateness", "fill"]
        guard let fields = Fields(item, of: "a series of \(draft.name)", known: known, &problems),
            let name = seriesName(fields, draft)
        else { return nil }
        let owner = "series \(name)"
        guard let window = window(fields, owner, &node) else { return nil }
        let lateness = problems.duration(
            fields["lateness"], "\(owner): lateness", in: 0...StreamLimits.latenessMax)
        let fill = fill(fields["fill"], owner)
        do throws(StreamCoreError) {
            let series = try BarSeries(name: name, window: window, lateness: lateness, fill: fill)
            return checkResolution(series, at: item.position) ? series : nil
        } catch {
            problems.add(item.position, "\(draft.owner): \(error)")
            return nil
        }
    }

    /// Returns the name, or the width as the name when none is given.
    private mutating func seriesName(_ fields: Fields, _ draft: NodeDraft) -> SeriesName? {
        let isPlain = fields["width"] != nil && fields["every"] == nil && fields["session"] == nil
        let key = fields["name"] == nil && isPlain ? "width" : "name"
        let owner = "a series of \(draft.name)"
        guard let node = fields.required(key, of: owner, as: "1m", &problems),
            let text = problems.text(node, "\(owner): \(key)")
        else { return nil }
        if let name = SeriesName(text) { return name }
        problems.add(
            node.position,
            "\(Shown.text(text)) is no name of a series: write 1 to \(SeriesName.utf8CountMax) of "
                + "A-Z, a-z, 0-9, _ and -")
        return nil
    }

    private mutating func window(
        _ fields: Fields, _ owner: String, _ node: inout NodeSeries
    ) -> WindowRule? {
        let given = Self.windowKeys.filter { fields[$0] != nil }
        let day: ClosedRange<Int64> = 1_000_000_000...86_400_000_000_000
        switch given {
        case ["width"]:
            return problems.duration(fields["width"], "\(owner): width", in: day)
                .map { .tumbling(width: $0) }
        case ["width", "every"]:
            guard let width = problems.duration(fields["width"], "\(owner): width", in: day),
                let hop = problems.duration(fields["every"], "\(owner): every", in: day)
            else { return nil }
            return sliding(width, hop, fields, owner)
        case ["session"], ["width", "session"]: return session(fields, owner, &node)
        case ["ticks"]:
            return problems.integer(fields["ticks"], "\(owner): ticks", in: 1...1_000_000_000)
                .map { .ticks($0) }
        case ["volume"]:
            return problems.amount(fields["volume"], "\(owner): volume").map { .volume($0) }
        case ["dollars"]:
            return problems.amount(fields["dollars"], "\(owner): dollars").map { .dollars($0) }
        case ["inactivity"]:
            return problems.duration(
                fields["inactivity"], "\(owner): inactivity", in: 1...day.upperBound
            ).map { .inactivity(gap: $0) }
        case []:
            problems.add(
                fields.position,
                "\(owner): its windows are missing: give one of "
                    + Self.windowKeys.filter { $0 != "every" }.joined(separator: ", "))
            return nil
        default:
            problems.add(
                fields.position,
                "\(owner): \(given.joined(separator: " and ")) do not go together: "
                    + "give one of them, 'width' with 'every', or 'session' with 'width'")
            return nil
        }
    }

    private mutating func sliding(
        _ width: Int64, _ hop: Int64, _ fields: Fields, _ owner: String
    ) -> WindowRule? {
        if width % hop == 0, width / hop <= StreamLimits.overlapMax, 86_400_000_000_000 % hop == 0 {
            return .sliding(width: width, hop: hop)
        }
        problems.add(
            fields["every"]?.position,
            "\(owner): every must divide the width and a day, and at most "
                + "\(StreamLimits.overlapMax) windows may overlap: choose another")
        return nil
    }

    private mutating func session(
        _ fields: Fields, _ owner: String, _ node: inout NodeSeries
    ) -> WindowRule? {
        guard let place = fields["session"], let name = problems.text(place, "\(owner): session")
        else { return nil }
        if let other = node.calendar, other != name {
            problems.add(
                place.position,
                "\(owner): the sessions of a node are by one calendar, and here are \(other) and "
                    + "\(Shown.text(name)): make two nodes")
            return nil
        }
        if node.calendar == nil { use(calendar: name, at: place.position) }
        node.calendar = name
        guard fields["width"] != nil else { return .session(width: nil) }
        return problems.duration(
            fields["width"], "\(owner): width", in: 1_000_000_000...86_400_000_000_000
        ).map { .session(width: $0) }
    }

    /// Reads a value such as `{previous_close: 10}`.
    private mutating func fill(_ node: YAMLNode?, _ owner: String) -> FillRule {
        guard let node else { return .none }
        if node.scalar?.text == "none" { return .none }
        guard
            let fields = Fields(node, of: "\(owner): fill", known: ["previous_close"], &problems),
            let max = problems.integer(
                fields.required("previous_close", of: "\(owner): fill", as: "10", &problems),
                "\(owner): previous_close", in: 1...Int64(StreamLimits.fillMax))
        else { return .none }
        return .previousClose(max: Int(max))
    }

    /// Reports windows that are finer than the clock of a source: they would hold ticks of their
    /// neighbours.
    private mutating func checkResolution(_ series: BarSeries, at position: YAMLPosition) -> Bool {
        guard let resolution else { return true }
        let step: Int64? =
            switch series.window {
            case .tumbling(let width): width
            case .session(let width): width
            case .sliding(_, let hop): hop
            case .inactivity(let gap): gap
            case .ticks, .volume, .dollars: nil
            }
        guard let step, step < resolution.nanoseconds else { return true }
        problems.add(
            position,
            "series \(series.name) is finer than the time of source "
                + "\(Shown.text(resolution.source)), which is "
                + "\(YAMLScalar.text(ofDuration: resolution.nanoseconds)): choose a wider one"
        )
        return false
    }
}
