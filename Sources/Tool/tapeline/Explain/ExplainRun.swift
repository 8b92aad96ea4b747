import MarketModel
import OperatorGraph
import PostgresClient
import Primitives
import ServiceRuntime
import StoredBars
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

/// Carries out `tapeline explain`.
struct ExplainRun {
    let command: ExplainCommand
    let terminal: Terminal

    /// The ticks that are read for one bar, with those before it that nodes remember.
    static let ticksMax = 500_000
    /// The ticks of a window that does not end by time. The machine is ended once for each.
    static let numberedMax = 5_000

    func run(
        _ deployment: Deployment, _ program: GraphProgram, shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        let series = try wanted(program.definition)
        let stored = try StoredProof(deployment, skipsTape: command.skipsTape)
        defer { stored.close() }
        let (database, client) = (stored.database, stored.client)
        let partition = deployment.names.partition(of: command.symbol)
        let tape = client.map {
            ProofTape(
                client: $0, names: deployment.names, partition: partition, shutdown: shutdown)
        }
        let bar = try bar(database, series, program.definition)
        let open = Timestamp(nanoseconds: bar.key.openTime)
        let end = open.advanced(byNanoseconds: 1)
        var slice = ProofSlice(
            program, series: [series.name], symbols: [command.symbol], partition,
            open.nanoseconds..<end.nanoseconds,
            until: max(
                end.advanced(byNanoseconds: ProveRun.reach(series)).nanoseconds, bar.closeTime))
        slice.storedBy = command.asked.advanced(byNanoseconds: -ProveRun.storing).nanoseconds
        try slice.load(database)
        var report = ExplainReport(
            bar: bar, stored: slice.stored[bar.key], row: try database.row(of: bar.key),
            partition: partition)
        try prove(&slice, tape, database, program.definition, into: &report)
        guard !shutdown.isRequested else { throw .refused("interrupted; nothing was explained") }
        let (ticks, gaps, starts) = try ticks(
            of: slice, bar, tape, database, isOnTape: report.isOnTape)
        report.tapeSays.feedStarts = starts.sorted { $0.time < $1.time }
        for gap in gaps where gap.noted < slice.storedBy {
            if let fault = try database.fault(of: gap, partition) {
                report.tapeSays.gapFaults.append(fault)
            }
        }
        try judge(ticks, slice, bar, database, into: &report)
        try addVersions(of: bar, tape, database, into: &report)
        report.gaps = try database.gaps(command.symbol, open.nanoseconds, bar.closeTime)
        let ticksMax = command.showsAll ? nil : ExplainReport.ticksShownMax
        terminal.show(report.lines(ticksMax: ticksMax), json: report.json(), command.asJSON)
        return report.exitCode
    }

    private func wanted(_ definition: GraphDefinition) throws(ToolError) -> BarSeries {
        let all = definition.allSeries
        guard let series = all.first(where: { $0.name == command.series }) else {
            let known = all.map(\.name.text).joined(separator: ", ")
            throw .usage("no series is called \(command.series): the graph makes \(known)")
        }
        guard !definition.isOfBooks(series.name) else {
            throw .refused(
                "not checked: \(series.name) is made of books, which only repairs compute again: "
                    + "'tapeline bars' shows its versions, 'tapeline tail' the rows of the books")
        }
        return series
    }

    // MARK: the bar

    private func bar(
        _ database: ProofDatabase, _ series: BarSeries, _ definition: GraphDefinition
    ) throws(ToolError) -> ExplainedBar {
        let time = command.time.nanoseconds
        let found = try database.bars(holding: time, command.symbol, series.name)
            .filter { command.source == nil || $0.key.symbol.source == command.source }
        let sources = Set(found.map(\.key.symbol.source)).sorted()
        guard sources.count <= 1 else {
            let names = sources.map(\.text).joined(separator: ", ")
            throw .usage("several sources (\(names)) have a bar there: name one with --source")
        }
        if var bar = found.first {
            bar.others = found.count - 1
            return bar
        }
        guard case .tumbling(let width) = series.window else {
            throw .refused(
                "no bar of \(command.symbol) \(series.name) that holds \(command.time) is stored: "
                    + "'tapeline bars \(command.symbol) \(series.name)' shows those that are")
        }
        let open = command.time.floored(toNanoseconds: width)
        let close = open.advanced(byNanoseconds: width)
        let source = try source(database, definition, open.nanoseconds, close.nanoseconds)
        let key = ProofKey(
            symbol: SourceSymbol(command.symbol, of: source), series: series.name,
            openTime: open.nanoseconds, number: 0)
        return ExplainedBar(key: key, closeTime: close.nanoseconds, isStored: false)
    }

    /// Returns whose ticks the window without a bar would have had.
    private func source(
        _ database: ProofDatabase, _ definition: GraphDefinition, _ from: Int64, _ to: Int64
    ) throws(ToolError) -> SourceName {
        if let named = command.source { return named }
        var owners: Set<SourceName> = []
        for kind in definition.kinds {
            try database.ticks(command.symbol, definition.groups, kind, from, to) {
                tick throws(ToolError) in owners.insert(tick.symbol.source)
            }
        }
        guard let owner = owners.first, owners.count == 1 else {
            let what = "no bar of \(command.symbol) \(command.series) holds \(command.time)"
            guard !owners.isEmpty else { throw .refused("\(what), and no tick of it is stored") }
            let names = owners.sorted().map(\.text).joined(separator: ", ")
            throw .usage(
                "\(what), and several sources have ticks there (\(names)): name one with "
                    + "--source")
        }
        return owner
    }

    // MARK: what the proof says

    private func prove(
        _ slice: inout ProofSlice, _ tape: ProofTape?, _ database: ProofDatabase,
        _ definition: GraphDefinition, into report: inout ExplainReport
    ) throws(ToolError) {
        if let tape {
            var (comparison, values) = (ProofComparison(), ProofValues())
            switch try slice.fromTape(tape, into: &comparison, &values) {
            case .whole: report.tape = report.outcome(of: comparison)
            case .cut: report.tape = .notThere
            case .interrupted: return
            }
        }
        guard !definition.needsLots(command.series) else { return }
        var comparison = ProofComparison()
        try slice.fromTables(database, into: &comparison)
        report.tables = report.outcome(of: comparison)
    }

    // MARK: the ticks

    private struct Reading {
        var tick: ProofTick
        var packet: ExplainedTick.TapePlace?
    }

    /// Reads the ticks that may have a part in the bar, in the order in which they came.
    private func ticks(
        of slice: ProofSlice, _ bar: ExplainedBar, _ tape: ProofTape?,
        _ database: ProofDatabase, isOnTape: Bool
    ) throws(ToolError) -> (ticks: [Reading], gaps: [GapOnTape], starts: Set<FeedStart>) {
        let definition = slice.program.definition
        let kinds = definition.kinds(of: command.series)
        var found: [Reading] = []
        var gaps: [GapOnTape] = []
        var starts: Set<FeedStart> = []
        func add(_ tick: ProofTick, _ packet: ExplainedTick.TapePlace?) throws(ToolError) {
            guard found.count < Self.ticksMax else {
                throw .refused(
                    "more than \(Self.ticksMax) ticks have to be read for this bar: explain one "
                        + "of a shorter series")
            }
            found.append(Reading(tick: tick, packet: packet))
        }
        guard isOnTape, let tape else {
            guard kinds.count == 1 else {
                try database.merged(
                    command.symbol, definition.groups, kinds, slice.since..<slice.until
                ) { tick throws(ToolError) in try add(tick, nil) }
                return (found, [], [])
            }
            try database.ticks(
                command.symbol, definition.groups, kinds[0], slice.since, slice.until
            ) { tick throws(ToolError) in try add(tick, nil) }
            return (found, [], [])
        }
        // Ticks that came late, or change others, may be anywhere after the bar.
        let readsToTheEnd = slice.records.count > 0
        let end = Timestamp(nanoseconds: slice.until)
            .advanced(byNanoseconds: definition.latenessMax)
        let (symbol, since, until) = (command.symbol, slice.since, slice.until)
        let members = Set([bar.key.symbol.source])
        let ending = try tape.readPackets(from: since) {
            header, sequence, bytes throws(ToolError) in
            try ProofTape.ticks(header, bytes, definition.groups) { tick throws(ToolError) in
                guard tick.symbol.symbol == symbol, kinds.contains(tick.dataKind),
                    tick.time >= since,
                    tick.time < until
                else { return }
                try add(
                    tick,
                    ExplainedTick.TapePlace(sequence: sequence, epoch: header.epoch))
            }
            gaps += GapOnTape.all(header, bytes, of: symbol, touching: bar)
            if members.contains(definition.groups.owner(of: header.source)) {
                starts.formUnion(FeedStart.all(header, bytes, of: symbol, within: bar))
            }
            let isPast =
                header.watermark.isDefined && header.watermark >= end
                && members.contains(definition.groups.owner(of: header.source))
            return readsToTheEnd || !isPast
        }
        guard ending != .interrupted else { throw .refused("interrupted; nothing was explained") }
        return (found, gaps, starts)
    }

    private func judge(
        _ readings: [Reading], _ slice: ProofSlice, _ bar: ExplainedBar,
        _ database: ProofDatabase, into report: inout ExplainReport
    ) throws(ToolError) {
        let definition = slice.program.definition
        let field = definition.field(of: command.series)
        let isByTime = definition.endsByTime(command.series)
        let kind = definition.kind(of: command.series)
        var readings = readings
        if !isByTime, !definition.isJoined(command.series) {
            readings.sort { ExplainedTick.isBefore($0.tick, $1.tick) }
        }
        func isInWindow(_ tick: ProofTick) -> Bool {
            tick.dataKind == kind && tick.time >= bar.key.openTime
                && (tick.time < bar.closeTime || !isByTime && tick.time == bar.closeTime)
        }
        let wanted = readings.count { isInWindow($0.tick) }
        guard isByTime || wanted <= Self.numberedMax else {
            throw .refused(
                "the bar has \(wanted) ticks: of a series whose bars do not end by time, those of "
                    + "at most \(Self.numberedMax) can be explained")
        }
        var probe = Bar(
            symbol: 0, series: 0, openTime: Timestamp(nanoseconds: bar.key.openTime),
            closeTime: Timestamp(nanoseconds: bar.closeTime))
        if let stored = report.stored { probe = stored.bar }
        let isMended = slice.isMended(bar.key, probe)
        if isMended, definition.remembers {
            var twins = ProofTwins(definition)
            for reading in readings { twins.note(reading.tick) }
            for place in readings.indices where readings[place].tick.isFetched {
                readings[place].tick = twins.marked([readings[place].tick])[0]
            }
            readings = ProofPlaces.placed(readings) { $0.tick }
        }
        var witness = BarWitness(
            BarWitness.Subject(key: bar.key, closeTime: bar.closeTime, isMended: isMended), slice)
        for reading in readings {
            let isWanted = isInWindow(reading.tick)
            let (verdict, taken) = try witness.take(reading.tick, isWanted: isWanted)
            guard isWanted else { continue }
            report.ticks.append(
                ExplainedTick(
                    tick: reading.tick, taken: taken, verdict: verdict, packet: reading.packet))
        }
        report.field = field
        report.isMadeOf = definition.made(command.series).dropFirst().map(\.text)
        report.ticks.sort { ExplainedTick.isBefore($0.tick, $1.tick) }
        // Rows of a bar that has just ended may still be on their way.
        report.isTooNew = bar.closeTime > slice.storedBy
        if report.isOnTape, !report.isTooNew {
            try compareTables(database, definition, bar, into: &report)
        }
        if let stored = report.stored { report.ticks.markRoles(of: stored.bar, field) }
    }

    /// Compares the ticks of the tape with their rows.
    private func compareTables(
        _ database: ProofDatabase, _ definition: GraphDefinition, _ bar: ExplainedBar,
        into report: inout ExplainReport
    ) throws(ToolError) {
        let (low, high) = (
            report.ticks.first?.tick.time ?? bar.key.openTime,
            report.ticks.last?.tick.time ?? bar.key.openTime
        )
        var rows: [ProofRecords.Place: ProofTick] = [:]
        try database.ticks(
            command.symbol, definition.groups, definition.kind(of: command.series),
            min(low, bar.key.openTime), max(bar.closeTime, high.saturatingAdd(1))
        ) { tick throws(ToolError) in
            rows[ProofRecords.Place(source: tick.source, ordinal: tick.ordinal)] = tick
        }
        for index in report.ticks.indices {
            let tick = report.ticks[index].tick
            guard let row = rows.removeValue(forKey: report.ticks[index].place) else {
                report.ticks[index].disagreement = "no row has it at that time"
                continue
            }
            report.ticks[index].disagreement = tick.difference(from: row, report.field)
                .map { "its row has another \($0)" }
        }
        report.onlyInTables = rows.values.sorted(by: ExplainedTick.isBefore)
    }

    // MARK: its versions

    private func addVersions(
        of bar: ExplainedBar, _ tape: ProofTape?, _ database: ProofDatabase,
        into report: inout ExplainReport
    ) throws(ToolError) {
        var versions = try database.replacedVersions(of: bar.key)
        if let row = report.row { versions.append(row.standing) }
        if let tape {
            let reader = BarVersionReader(tape: tape, key: bar.key)
            guard
                let read = try reader.versions(
                    since: bar.closeTime, last: report.stored?.revision)
            else { throw .refused("interrupted; nothing was explained") }
            report.isRevisionWrong =
                read.holdsLast
                && !read.versions.contains { $0.revision == report.stored?.revision }
            for version in read.versions {
                versions.removeAll { $0.revision == version.revision }
                versions.append(version)
            }
        }
        report.versions = versions.sorted { $0.revision < $1.revision }
    }
}

extension ProofTick {
    fileprivate var dataKind: DataKind {
        if quote != nil { return .quote }
        return providerBar == nil ? .trade : .providerBar
    }
}

extension GraphDefinition {
    /// The finest series of which a series is made: the one that takes ticks.
    private func origin(of name: SeriesName) -> SeriesName { made(name).last ?? name }

    /// Returns the number of a tick that a series uses as its price.
    func field(of name: SeriesName) -> InputField {
        let origin = origin(of: name)
        for node in nodes {
            if case .bars(let rule, _) = node.operation,
                rule.series.all.contains(where: { $0.name == origin })
            {
                return rule.field
            }
        }
        return .trade
    }

    /// Returns the kind of ticks of which a series is made.
    func kind(of name: SeriesName) -> DataKind {
        isOfProviderBars(name) ? .providerBar : field(of: name).kind
    }

    /// Returns the kinds of ticks that decide a series; behind a join also quotes.
    func kinds(of name: SeriesName) -> [DataKind] {
        isJoined(name) ? [kind(of: name), .quote] : [kind(of: name)]
    }

    /// Whether time alone ends the windows that take the ticks of a series.
    func endsByTime(_ name: SeriesName) -> Bool {
        let origin = origin(of: name)
        return allSeries.first { $0.name == origin }.map { $0.window.isByTime } ?? true
    }
}
