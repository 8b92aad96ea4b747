import DeadLetters
import MarketModel
import Membership
import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec
import TapeTransport

/// Makes rows of dead letters.
protocol LetterReplaying {
    /// Replays one letter. Throws when the store is unreachable; letters stored before stay stored.
    mutating func replay(_ letter: DeadLetter) throws -> LetterFate
    /// Lets others work on the store again.
    func end() throws
}

/// Makes rows of dead letters in a store without transactions. A row is made only for a tick that
/// the writer has settled and will never write itself, under the lock of `tapeline store fill`, and
/// only if it is not there yet. It is known from then on.
struct ServerReplay: LetterReplaying {
    private let filled: FilledStore
    private let target: ServerFillTarget
    private let isDryRun: Bool
    private let now: () -> Timestamp
    private let lanes: [FillLane: FillAccount]
    private let catalogue = SinkCatalogue()

    init(
        _ filled: FilledStore, isDryRun: Bool,
        now: @escaping () -> Timestamp = { SystemClock().now() }
    ) throws {
        self.filled = filled
        self.isDryRun = isDryRun
        self.now = now
        let books = try filled.books()
        guard books.stores.isSubset(of: [filled.store.text]) else {
            throw ToolError.refused(
                "the records of \(filled.store) in NATS are those of "
                    + books.stores.sorted().joined(separator: ", "))
        }
        target = ServerFillTarget(
            filled, from: filled.store, streams: books.streams,
            lockTime: ServerFillTarget.lockTimeOfRows, now: now)
        lanes = books.lanes
        if !isDryRun { try target.begin() }
    }

    func end() throws { try target.end() }

    func replay(_ letter: DeadLetter) throws -> LetterFate {
        guard letter.place.isOnTape else { return .untaped }
        guard letter.storeKind == filled.server.kind else { return .elsewhere }
        guard let index = catalogue.sink(of: letter),
            let table = FillTable.all.first(where: { $0.sink == catalogue.sinks[index].name }),
            let row = filled.server.row(of: letter, catalogue, sink: index, at: now())
        else { return .undecodable }
        let step = FillPlan.Stretch(
            lane: FillLane(
                input: letter.place.input, partition: Int64(letter.place.partition.number),
                source: letter.place.source.text),
            ordinal: Int64(clamping: letter.place.ordinal))
        if let fate = Self.unsettled(step, lanes) { return fate }
        guard let block = row.block, row.unfit == nil else {
            return .refused(row.unfit?.reason ?? "no row was made of it")
        }
        let time = catalogue.times(letter, sink: index, SeriesTables())?.row
        let rows = FillRows(
            table: table,
            rows: [
                FillRows.Row(
                    ordinal: step.ordinals.lowerBound,
                    time: time.map { $0.floored(toNanoseconds: 1_000).nanoseconds / 1_000 },
                    received: nil, series: nil, text: "")
            ])
        if let problem = FilledStore.problem(of: [rows], filled.server.present, filled.store) {
            return .refused(problem)
        }
        guard try filled.server.ordinals(of: step, [rows]).isEmpty else { return .present }
        return isDryRun ? .storable : try target.replay(step, block, [rows])
    }

    /// Returns why no row may be made of an ordinal; `nil`: the writer has settled it. Pure.
    static func unsettled(
        _ step: FillPlan.Stretch, _ lanes: [FillLane: FillAccount]
    ) -> LetterFate? {
        let ordinal = step.ordinals.lowerBound
        guard let account = lanes[step.lane], ordinal >= account.first else { return .unknown }
        if ordinal > account.last { return .ahead }
        return account.lost.contains { $0.contains(ordinal) } ? .missing : nil
    }
}

extension FillPlan.Stretch {
    /// A single ordinal.
    init(lane: FillLane, ordinal: Int64) {
        self.init(lane: lane, ordinals: ordinal...ordinal, isBeginning: false)
    }
}
