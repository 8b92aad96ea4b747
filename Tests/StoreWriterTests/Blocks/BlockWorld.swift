import MarketModel
import NatsTransport
import Primitives
import ServiceTestSupport
import StoreHTTP
import StoreIntents
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

@testable import StoreWriter

/// Owners of one place, one after the other, with a store without transactions. What NATS, the
/// server and the tape do is made up; the session is that of the product.
final class BlockWorld {
    /// Where something happens to an owner.
    enum Point: String, CaseIterable {
        case claim, intent, insert, position
    }

    enum Fate: String, CaseIterable {
        case well
        /// It dies before the call has an effect.
        case killedBefore
        /// The call has its effect, and it dies before it hears of it.
        case killedAfter
        /// It sleeps within the call while another owner takes over. Then the call has its effect.
        case sleeps
        /// It sleeps before the call: the time has passed when it looks at the clock.
        case sleepsBefore
    }

    struct Event: Hashable {
        let point: Point
        let fate: Fate
    }

    static let place = SinkPlace(input: .ticks, partition: Partition(1))

    private var random: SeededRandom
    private var now = MonotonicTime(nanoseconds: 1)
    private let kind: String
    private var settings: WriterSettings
    private var product: BlockStore.Product
    let tape: BlockTape
    private let keeper = BlockRecords()
    private let server: any WorldServer
    private let letters = BlockLetters()
    private var ownerCount: UInt64 = 0
    /// How many owners sleep.
    private var sleepers = 0
    /// What has happened.
    private(set) var events: [Event: Int] = [:]
    /// Inserts of owners that another one had replaced, and blocks that the server knew.
    var droppedBlocks: Int { server.dropped }
    /// How many ranges of declared batches were lost, of which the tape was purged.
    private(set) var lostRanges = 0
    /// How many holes of batches were told that were made again.
    private(set) var toldHoles = 0
    /// How often a claim had to wait.
    private(set) var waits = 0
    /// What happens next at a point, after it was passed so often.
    var planned: (point: Point, skips: Int, fate: Fate)?
    /// How often each refused record was sent, and its letter counted.
    var refusedSends: [Int] { Array(server.refusedSends.values) }
    var countedLetters: [Int64] { letters.counted.sorted() }
    var keptLetters: [Int64] { letters.ordinals.sorted() }

    /// `kind` is the name of the store's kind.
    init(seed: UInt64, kind: String) throws {
        self.kind = kind
        var random = SeededRandom(seed: seed)
        (settings, product) = try Self.settings(kind)
        tape = try BlockTape(packets: Int.random(in: 6...30, using: &random), &random)
        isPurging = Int.random(in: 0..<3, using: &random) == 0
        var refused: Set<Int64> = []
        if Int.random(in: 0..<3, using: &random) == 0 {
            for _ in 0..<3 { refused.insert(Int64.random(in: 1...60, using: &random)) }
        }
        server = Self.server(kind, refusing: refused)
        self.random = random
        keeper.world = self
        server.world = self
    }

    /// One in which nothing happens, but these records are refused, and each insert takes so long.
    init(
        kind: String, refusing refused: Set<Int64>, insertNanoseconds: Int64,
        lettersMax: Int = 1_000
    ) throws {
        self.kind = kind
        var random = SeededRandom(seed: 1)
        (settings, product) = try Self.settings(
            kind, ["WRITER_DEAD_LETTERS_MAX": "\(lettersMax)"])
        tape = try BlockTape(packets: 20, &random)
        server = Self.server(kind, refusing: refused)
        server.insertNanoseconds = insertNanoseconds
        self.random = random
        isQuiet = true
        keeper.world = self
        server.world = self
    }

    /// One in which only that happens which is planned. Where it `isPurging`, the tape may be
    /// purged of what was not read.
    init(
        kind: String, _ tape: BlockTape, isPurging: Bool, refusing refused: Set<Int64> = []
    ) throws {
        self.kind = kind
        self.tape = tape
        self.isPurging = isPurging
        (settings, product) = try Self.settings(kind)
        server = Self.server(kind, refusing: refused)
        random = SeededRandom(seed: 1)
        isQuiet = true
        keeper.world = self
        server.world = self
    }

    private static func settings(
        _ kind: String, _ changes: [String: String] = [:]
    ) throws -> (WriterSettings, BlockStore.Product) {
        let own = ["STORE_KIND": kind, "WRITER_HOT_STATE": "false"]
        let configuration = try TestService.configuration(
            Main.description, own.merging(changes) { $1 })
        return (
            WriterSettings(configuration),
            kind == "questdb" ? .questdb(configuration) : .clickhouse(configuration)
        )
    }

    /// Later sessions have these settings.
    func set(_ changes: [String: String]) throws {
        (settings, product) = try Self.settings(kind, changes)
    }

    /// Lets a server with keys keep rows in its memory alone.
    func makeUnsafe() { (server as? KeyedTables)?.isUnsafe = true }

    /// Lets its tables lag behind what it has answered for.
    func lag(looks: Int) { (server as? KeyedTables)?.lags = looks }

    /// Lets the record say that the next batch has to name these.
    func owe(_ gaps: [SinkGap]) { keeper.owe(gaps) }

    private static func server(
        _ kind: String, refusing refused: Set<Int64>
    ) -> any WorldServer {
        kind == "questdb" ? KeyedTables(refusing: refused) : BlockTables(refusing: refused)
    }

    // MARK: owners

    func session() -> BlockSession {
        ownerCount += 1
        let (letters, product) = (letters, product)
        return BlockSession(
            BlockSession.Parts(
                settings: settings, owner: "owner \(ownerCount)",
                store: MarkOwner(namespace: "md", name: "store"),
                layout: product.layout, rows: product.rows, keeper: keeper, packets: tape,
                letters: LetterOutput(
                    keep: { refused, batch throws(StoreError) in
                        letters.keep(refused, batch)
                    }, committed: { letters.committed($0) }),
                connect: { [server] () throws(StoreServerError) in server },
                tellMissing: { [unowned self] _, gaps in
                    let holes = gaps.count { $0.reason == .hole }
                    (lostRanges, toldHoles) = (lostRanges + gaps.count - holes, toldHoles + holes)
                },
                now: { [unowned self] in now }))
    }

    /// Lets an owner claim, and write up to so many batches. After a failure it tries again, if it
    /// may. It ends as its fate is.
    private func live(batches: Int) {
        let session = session()
        // While another one sleeps, no time passes in which its insert would be over.
        let tries = isQuiet || sleepers == 0 && Bool.random(using: &random) ? 4 : 1
        for _ in 0..<tries {
            if live(session, batches) { return }
            session.close()
            now = now + 16_000_000_000
        }
    }

    /// Lets one session try until all is stored. Where it `mends`, the server refuses nothing after
    /// the first try. Returns how many tries it took, and what is wrong.
    func persist(triesMax: Int, mends: Bool = false) -> (tries: Int, problems: [String]) {
        let session = session()
        for number in 1...triesMax {
            if live(session, .max) { return (number, problems()) }
            session.close()
            if mends { server.mend() }
        }
        return (triesMax, ["it never ends: \(failures.last ?? "")"])
    }

    /// Returns false after a failure, and where the claim has to wait. `packets` are those of a
    /// batch.
    func live(_ session: BlockSession, _ batches: Int, packets: Int? = nil) -> Bool {
        do throws(StoreError) {
            try session.open()
            let claim = SinkClaim(place: Self.place, epoch: ownerCount, knownEpoch: nil)
            guard let row = try session.claim([claim]).first, row.isClaimed else { return true }
            guard row.waits == nil else {
                waits += 1
                return false
            }
            var position = row.position
            for _ in 0..<batches {
                let batch = tape.batch(
                    after: position, packets: packets ?? Int.random(in: 1...4, using: &random))
                if batch.isEmpty { return true }
                var settled = position
                _ = try session.write(batch) { outcome in
                    settled =
                        batch.advanced(by: outcome, mayBeLetGo: !settings.isNeeded) { _ in
                            position
                        }[2] ?? position
                    return [settled]
                }
                settled.forgetBatch()
                position = settled
            }
            return true
        } catch {
            failures.append("\(error)")
            return false
        }
    }

    /// What owners failed with.
    private(set) var failures: [String] = []

    /// Runs to the end. Returns what is wrong then.
    func run() -> [String] {
        for _ in 0..<Int.random(in: 2...10, using: &random) {
            live(batches: Int.random(in: 1...6, using: &random))
            now = now + Int64.random(in: 0...2_000_000_000, using: &random)
            if isPurging, Int.random(in: 0..<4, using: &random) == 0 {
                let last = keeper.kept?.record.position?.sequence ?? 0
                tape.purge(below: last + UInt64.random(in: 1...8, using: &random))
            }
        }
        isQuiet = true
        live(batches: .max)
        return problems()
    }

    /// Nothing happens any more.
    private var isQuiet = false
    /// Whether the tape is purged of what was not read.
    private var isPurging = false

    /// Time passes in a call.
    func pass(_ nanoseconds: Int64) { now = now + nanoseconds }

    /// Called before a call has its effect. Returns what happens to it.
    func fate(_ point: Point) -> Fate {
        if let plan = planned, plan.point == point {
            planned = plan.skips > 0 ? (point, plan.skips - 1, plan.fate) : nil
            if plan.skips == 0 { return plan.fate }
        }
        guard !isQuiet, sleepers == 0 || Int.random(in: 0..<4, using: &random) == 0,
            Int.random(in: 0..<5, using: &random) == 0
        else { return .well }
        var fate = Fate.allCases.randomElement(using: &random) ?? .well
        if sleepers > 0, fate == .sleeps || fate == .sleepsBefore { fate = .killedAfter }
        // The clock is looked at before an insert alone.
        if fate == .sleepsBefore, point != .intent, point != .claim { fate = .sleeps }
        events[Event(point: point, fate: fate), default: 0] += 1
        switch fate {
        case .sleeps:
            sleepers += 1
            // Less than a server works on an insert, so that one that was sent may still come.
            now = now + Int64.random(in: 0...8_000_000_000, using: &random)
            live(batches: Int.random(in: 0...3, using: &random))
            sleepers -= 1
        case .sleepsBefore: now = now + 11_000_000_000
        case .well, .killedBefore, .killedAfter: break
        }
        return fate
    }

    // MARK: what has to be

    func problems() -> [String] {
        var problems: [String] = []
        let wanted = tape.ordinals
        let named = namedAtEnd
        for (table, ordinals) in wanted {
            let found = server.ordinals(table)
            let stored = found.keys
            let refused = letters.ordinals.filter { ordinals.contains($0) }
            for (ordinal, count) in found where count != 1 {
                problems.append("\(table) has \(ordinal) \(count) times")
            }
            let missing = ordinals.subtracting(stored).subtracting(refused).subtracting(named)
            if !missing.isEmpty { problems.append("\(table) lacks \(missing.sorted())") }
            let both = refused.intersection(stored)
            if !both.isEmpty { problems.append("\(both.sorted()) of \(table) are letters, too") }
            let wrong = named.intersection(stored)
            if !wrong.isEmpty { problems.append("\(wrong.sorted()) of \(table) are named") }
        }
        let rows = wanted.keys.reduce(0) { $0 + server.ordinals($1).count }
        let written = keeper.kept?.position.sources.reduce(0) { $0 + $1.written } ?? 0
        if UInt64(rows) != written { problems.append("\(rows) rows, counted are \(written)") }
        let gaps = server.ordinals("ordinal_gaps")
        if isPurging {
            let unnamed = tape.holes.subtracting(named)
            if !unnamed.isEmpty { problems.append("holes \(unnamed.sorted()) are not named") }
        } else if Set(gaps.keys) != tape.holes || gaps.values.contains(where: { $0 != 1 }) {
            problems.append("the gaps are \(gaps), not \(tape.holes)")
        }
        for (ordinal, count) in namedTimes where count > 1 {
            problems.append("\(ordinal) is named \(count) times")
        }
        return problems.isEmpty ? [] : problems + failures.suffix(2)
    }

    /// The sequence of the position.
    var position: UInt64 { keeper.kept?.record.position?.sequence ?? 0 }
    /// How many gaps there are.
    var gapCount: Int { server.gaps.count }
    /// How many ordinals are rows or named, each as often as it is.
    var accounted: UInt64 {
        (keeper.kept?.position.sources.reduce(0) { $0 + $1.written } ?? 0)
            + UInt64(namedTimes.values.reduce(0, +))
    }

    /// How often gaps name an ordinal, with those of the next batch.
    private var namedTimes: [Int64: Int] {
        let owed = (keeper.kept?.owed ?? []).map {
            Int64($0.ordinals.lowerBound)...Int64($0.ordinals.upperBound)
        }
        return (server.gaps + owed).joined().reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }

    /// The ordinals that gaps name, those that the next batch will name, and those before the
    /// first one of the store.
    private var namedAtEnd: Set<Int64> {
        guard let kept = keeper.kept else { return [] }
        var named = Set(server.gaps.joined())
        for gap in kept.owed {
            named.formUnion(Int64(gap.ordinals.lowerBound)...Int64(gap.ordinals.upperBound))
        }
        let first = Int64(kept.position.sources.first?.firstOrdinal ?? 1)
        // Where nothing is left on the tape, nothing was ever read.
        let end = kept.position.sources.isEmpty ? tape.end : first
        return named.union(1..<end)
    }
}
