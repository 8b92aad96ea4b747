import DeadLetters
import MarketModel
import Membership
import Primitives
import ServiceRuntime
import StoreKit
import StoreSinks
import TapeProtocol
import TapeTransport

/// `store-writer replay` of a store that another program brings: makes rows of its dead letters.
///
/// A batch sets a mark for each record that it sets aside, in the transaction of its rows. One
/// transaction of a replay demands that mark, adds the row, counts it in the position, and renews
/// the mark. So a row is made once, and only of a record that no batch has stored. A writer that
/// works meanwhile finds its position changed, and claims it again.
struct OwnReplay {
    static let name = "replay"

    private let owner: MarkOwner
    private let catalogue: SinkCatalogue
    private let isDryRun: Bool
    private let now: () -> Timestamp
    private let connect: () throws -> any RowStore
    private var connection: (any RowStore)?

    /// Ends a transaction without effect.
    private struct Stop: Error {}

    init(
        _ owner: MarkOwner, _ catalogue: SinkCatalogue, isDryRun: Bool,
        now: @escaping () -> Timestamp, connect: @escaping () throws -> any RowStore
    ) {
        self.owner = owner
        self.catalogue = catalogue
        self.isDryRun = isDryRun
        self.now = now
        self.connect = connect
    }

    /// Replays all letters of the store that are on their stream. They stay there.
    static func run(
        _ kind: RowStoreKind, _ context: ServiceContext, _ kinds: [StoreKind]
    ) throws -> ExitCode {
        let settings = WriterSettings(context.configuration, kinds)
        let tape = try TapeSettings(context.configuration)
        let client = try TapeClient(
            tape.nats, names: tape.names, telemetry: context.telemetry,
            readiness: context.readiness)
        defer { client.close() }
        let box = try LetterBox(client)
        for problem in box.problems { context.telemetry.emit(.letterUnread(problem)) }
        var replay = OwnReplay(
            MarkOwner(namespace: tape.names.namespace, name: settings.store.text), settings.sinks,
            isDryRun: context.configuration.subcommandFlags.contains(MigrateCommand.dryRun),
            now: { context.clock.now() }, connect: { try kind.connect(context.configuration) })
        var isFine = box.problems.isEmpty
        for letter in box.entries.map(\.letter)
        where letter.owner == settings.store.text && letter.storeKind == kind.name {
            let fate = try replay.replay(letter)
            context.telemetry.emit(.letterReplayed(letter, fate))
            isFine = isFine && fate.isFine
        }
        return isFine ? .success : .failure
    }

    /// Replays one letter. Throws when the store is away; letters stored before stay stored.
    mutating func replay(_ letter: DeadLetter) throws -> LetterFate {
        guard letter.place.isOnTape, let input = SinkInput(rawValue: letter.place.input) else {
            return .untaped
        }
        guard let index = catalogue.sink(of: letter) else { return .undecodable }
        let sink = catalogue.sinks[index]
        var rows = ColumnWriter(sink)
        let isMade = catalogue.row(of: letter, sink: index, at: now()) {
            record, context, packet, ordinal in
            sink.writeColumns(record, context, packet, ordinal, &rows)
        }
        guard isMade else { return .undecodable }
        let place = SinkPlace(input: input, partition: letter.place.partition)
        // The store may refuse a row that it has, so it is asked before without one.
        let known = try attempt([], letter, place)
        return known == .storable ? try attempt([rows.table], letter, place) : known
    }

    private mutating func attempt(
        _ tables: [StoreTable], _ letter: DeadLetter, _ place: SinkPlace
    ) throws -> LetterFate {
        let store = try connection ?? connect()
        // A connection that failed is not used again.
        connection = nil
        let isTrial = isDryRun || tables.isEmpty
        var fate = LetterFate.unknown
        do {
            try store.transact(tables, marks: [place.mark, letter.mark]) { marks in
                let next = try Self.settled(letter, place, marks, owner)
                fate = next.fate
                guard fate == .storable, !isTrial else { throw Stop() }
                return next.marks
            }
            fate = .stored
        } catch is Stop {
            connection = store
            return fate
        } catch  where store.fault(of: error) == .rows {
            return .refused(oneLine("\(error)"))
        }
        connection = store
        return fate
    }

    /// Returns what becomes of a letter at these marks, and those to set if it is stored. Pure.
    static func settled(
        _ letter: DeadLetter, _ place: SinkPlace, _ marks: [String: String], _ owner: MarkOwner
    ) throws(OwnStoreError) -> (fate: LetterFate, marks: [String: String]) {
        guard let mark = marks[place.mark] else { return (.unknown, [:]) }
        var position = try SinkPosition(mark: mark, of: place, store: owner)
        let source = letter.place.source
        guard let index = position.sources.firstIndex(where: { $0.source == source }) else {
            return (.unknown, [:])
        }
        switch marks[letter.mark] {
        case nil:
            return (
                letter.place.ordinal > position.sources[index].lastOrdinal ? .ahead : .passed, [:]
            )
        case DeadLetter.openMark?:
            guard position.sources[index].deadLettered > 0 else {
                throw OwnStoreError(
                    description: "the mark \(place.mark) counts no dead letter of \(source), and "
                        + "\(letter.mark) is one", fault: .schema)
            }
            position.sources[index].deadLettered -= 1
            position.sources[index].written += 1
            return (
                .storable,
                [place.mark: position.mark(of: owner), letter.mark: DeadLetter.storedMark]
            )
        case _: return (.present, [:])
        }
    }
}

extension DeadLetter {
    /// The name of its mark in a user's store.
    var mark: String {
        "letters/\(place.input)/\(place.partition)/\(place.source)/\(place.ordinal)"
    }

    /// The record was set aside by a batch that is stored.
    static let openMark = "open"
    /// A replay has stored its row.
    static let storedMark = "stored"
}

extension ServiceEvent {
    /// What became of a dead letter.
    fileprivate static func letterReplayed(_ letter: DeadLetter, _ fate: LetterFate) -> Self {
        Self(
            fate.isFine ? .info : .warning, "replay.letter", "\(letter.id) \(fate.sentence)",
            ("fate", .text(fate.word)))
    }

    fileprivate static func letterUnread(_ problem: String) -> Self {
        Self(.warning, "replay.unread", problem)
    }
}
