import MarketModel
import OperatorGraph
import Primitives
import ServiceTestSupport
import SimulationKit
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

/// One partition with its tape and its bucket, and owners that come and go under every kind of
/// fault. The final output must be that of one undisturbed owner.
struct RecoveryWorld {
    enum Kind: CaseIterable {
        /// Crashes, pauses, failing calls, damage, and the loss of the bucket.
        case plain
        /// The series change, and some owners start with the old ones.
        case generations
        /// People request rebuilds.
        case rebuilds
        /// Bars are restored from a backup.
        case restores
        /// Graphs of every kind on a tape with repairs. The faults are those of `plain`.
        case graphs
        /// The same, and people request rebuilds.
        case rebuiltGraphs
        /// Graphs with a join, on a tape with repairs, held quotes and gaps of quotes. The faults
        /// are those of `plain`.
        case joins
        /// Graphs of books, on a tape with repairs and gaps of depth. The faults are those of
        /// `plain`.
        case books
        /// Graphs that pass on what providers tell, on a tape with repairs. The faults are those of
        /// `plain`.
        case values
        /// Graphs of every kind, breadth among them, whose sources fall silent, are retired and
        /// come back; one may have delayed data. The faults are those of `plain`.
        case lives
        /// The same, and people request rebuilds.
        case rebuiltLives

        var hasLife: Bool { self == .lives || self == .rebuiltLives }
        var hasGraph: Bool {
            hasLife || self == .graphs || self == .rebuiltGraphs || self == .joins
                || self == .books || self == .values
        }
        var hasRebuilds: Bool {
            self == .rebuilds || self == .rebuiltGraphs || self == .rebuiltLives
        }
        var losesBucket: Bool {
            self == .plain || self == .graphs || self == .joins || self == .books
                || self == .values || self == .lives
        }
    }

    let seed: UInt64
    let kind: Kind
    let tape: SimulatedTape
    private var random: SeededRandom
    private var owner: SimulatedOwner?
    private var paused: [SimulatedOwner] = []
    private var generation: UInt32 = 1
    private var now = MonotonicTime(nanoseconds: 0)
    private var rebuilds = 0
    private let faults: SimulatedBucket.Faults
    /// The definition of a world that has only one.
    let graph: SimulatedDefinition?

    init(seed: UInt64, kind: Kind) throws {
        self.seed = seed
        self.kind = kind
        random = SeededRandom(seed: seed)
        tape = SimulatedTape(
            SimulatedTicks(
                withRepairs: kind.hasGraph, withLife: kind.hasLife, withQuotes: kind == .joins,
                withBooks: kind == .books, withValues: kind == .values, using: &random))
        graph = try Self.graph(kind, using: &random)
        // The faults differ between worlds.
        faults = SimulatedBucket.Faults(
            fails: Bool.random(using: &random) ? Int.random(in: 0...60, using: &random) : 0,
            unknown: Bool.random(using: &random) ? Int.random(in: 0...120, using: &random) : 0)
        let (tape, seed) = (tape, seed)
        tape.bucket.onWrite = { key, value in
            Self.expectOutputOnTape(key, value, tape, mayBeAhead: kind == .restores, seed: seed)
        }
    }

    /// Returns the definition of a world that has only one.
    private static func graph(
        _ kind: Kind, using random: inout SeededRandom
    ) throws -> SimulatedDefinition? {
        if kind == .joins { return try SimulatedDefinition.joined(using: &random) }
        if kind == .books { return try SimulatedDefinition.books(using: &random) }
        if kind == .values { return try SimulatedDefinition.passingOn(using: &random) }
        guard kind.hasGraph else { return nil }
        return try SimulatedDefinition(
            mayMoveBars: !kind.hasRebuilds, hasLife: kind.hasLife, using: &random)
    }

    /// Expects that a checkpoint includes no output that is not on the tape.
    private static func expectOutputOnTape(
        _ key: String, _ value: [UInt8], _ tape: SimulatedTape, mayBeAhead: Bool, seed: UInt64
    ) {
        guard key == tape.keys.head,
            let head = try? value.withRawSpan({ span throws(CheckpointError) in
                try CheckpointHead(span)
            }), let newest = head.entries.first
        else { return }
        let counted = newest.output?.ordinal ?? 0
        let stored = (tape.bars.packets.last?.nextOrdinal ?? 1) - 1
        if !mayBeAhead { #expect(counted <= stored, "seed \(seed): ahead of the tape") }
        if head.entries.count == 1,
            let base = tape.decided.last(where: { $0.isOf(head, output: counted) })
        {
            tape.bases.append(base)
        }
    }

    // MARK: settings

    static let settings: [OperatorSettings] = ["1s,5s", "1s,10s", "1s,5s,1m"].enumerated()
        .compactMap { index, series in made(series, generation: index + 1) }
    /// The first generation with the second one's series.
    static let wrong = made("1s,10s", generation: 1)

    /// Returns the settings of an owner with these series.
    private static func made(_ series: String, generation: Int) -> OperatorSettings? {
        let configuration = try? TestService.configuration(
            Main.description,
            ["OPERATOR_SERIES": series, "OPERATOR_GENERATION": String(generation)])
        return configuration.flatMap { try? OperatorSettings($0) }
    }

    func settings(of generation: UInt32) -> OperatorSettings {
        graph?.settings ?? Self.settings[Int(generation) - 1]
    }

    // MARK: running

    mutating func run(steps: Int) {
        for _ in 0..<steps {
            now += Int64.random(in: 0...1_500_000_000, using: &random)
            if tape.published < tape.ticks.packets.count, Int.random(in: 0..<6, using: &random) == 0
            {
                tape.published += 1
            }
            if owner == nil { start() }
            owner?.step(now: now, using: &random)
            if owner?.hasLeft == true { owner = nil }
            if let sleeper = paused.randomElement(using: &random),
                Int.random(in: 0..<3, using: &random) == 0
            {
                sleeper.step(now: now, using: &random)
            }
            causeFault()
        }
    }

    private var keptGeneration: UInt32? {
        let head = tape.bucket.value(tape.keys.head)?.value
        return head.flatMap { bytes in
            try? bytes.withRawSpan { span throws(CheckpointError) in
                try CheckpointHead(span).generation
            }
        }
    }

    private mutating func start() {
        var settings = settings(of: generation)
        if kind == .generations {
            let dice = Int.random(in: 0..<10, using: &random)
            if dice == 0, generation > 1 { settings = Self.settings[Int(generation) - 2] }
            if dice == 1, generation == 1, keptGeneration == 1, let wrong = Self.wrong {
                settings = wrong
            }
        }
        owner = SimulatedOwner(tape, settings, faults, seed: random.next())
    }

    /// Causes a fault in some of the steps.
    private mutating func causeFault() {
        switch Int.random(in: 0..<400, using: &random) {
        case 0...6: crash()
        case 7:
            if let sleeper = owner { paused.append(sleeper) }
            owner = nil
        case 8, 9: owner?.bucket.callsLeft = Int.random(in: 0..<12, using: &random)
        case 10, 11: tape.bucket.settle(using: &random)
        case 12, 13: causeOwnFault()
        case 14 where kind.losesBucket && Int.random(in: 0..<4, using: &random) == 0:
            crash()
            tape.bucket.lose()
        // It hands over in order.
        case 15: owner?.isStopping = true
        case 16 where owner?.isStopped == true: crash()
        default: break
        }
        if owner?.bucket.callsLeft == 0 { crash() }
        if owner?.stage == .fenced { owner = nil }
    }

    /// Causes the event that is specific to this kind of world.
    private mutating func causeOwnFault() {
        switch kind {
        case .plain, .graphs, .joins, .books, .values, .lives: tape.bucket.damage(using: &random)
        case .generations:
            crash()
            generation = min(generation + 1, UInt32(Self.settings.count))
        case .rebuilds, .rebuiltGraphs, .rebuiltLives: requestRebuild()
        case .restores: restoreBackup()
        }
    }

    private mutating func crash() {
        // A sent packet may arrive after its sender has died.
        if Bool.random(using: &random) { owner?.lane.arrive() }
        owner?.dropRepair()
        owner = nil
    }

    private mutating func requestRebuild() {
        rebuilds += 1
        _ = tape.bucket.write(tape.keys.request, Array("{}".utf8), expected: 0)
    }

    private mutating func restoreBackup() {
        owner = nil
        paused = []
        let kept = Int.random(in: 0...tape.bars.packets.count, using: &random)
        tape.bars.packets.removeLast(tape.bars.packets.count - kept)
        tape.bases.removeAll { $0.output > (tape.bars.packets.last?.nextOrdinal ?? 1) - 1 }
    }

    // MARK: the end

    /// Ends all faults: missing packets arrive, and the last owner stops in order.
    mutating func settle() {
        crash()
        paused = []
        tape.published = tape.ticks.packets.count
        owner = SimulatedOwner(
            tape, settings(of: generation), SimulatedBucket.Faults(), seed: seed | 7)
        for isStopping in [false, true] {
            var steps = 0
            while owner?.isDone == false, steps < 100_000 {
                steps += 1
                now += 100_000_000
                owner?.isStopping = isStopping
                owner?.step(now: now, using: &random)
                if case .stopped(let reason) = owner?.stage {
                    #expect(
                        kind == .restores && reason.contains("`tapeline partition rebuild 0`"),
                        "seed \(seed): \(reason)")
                    requestRebuild()
                }
            }
            #expect(owner?.isDone == true, "seed \(seed): \(String(describing: owner?.stage))")
        }
        expectSources()
        expectRest()
        #expect(rebuilds == 0 || tape.bucket.value(tape.keys.request) == nil, "seed \(seed)")
    }

    /// The last owner knows the sources as one that took every packet once, and the time that its
    /// packets state never went back and was never ahead of its input.
    private func expectSources() {
        guard let definition = graph else { return }
        let alone = UndisturbedOwner(tape.ticks.packets, definition.settings)
        let machine = owner?.core?.machine
        #expect(machine?.sources.entries == alone.core.machine.sources.entries, "seed \(seed)")
        #expect(machine?.sourceStates == alone.core.machine.sourceStates, "seed \(seed)")
        #expect(machine?.watermark == alone.core.machine.watermark, "seed \(seed)")
        var last = SourceTable.noWatermark
        for packet in tape.bars.packets {
            guard let input = packet.output?.input else { continue }
            #expect(packet.watermark >= last, "seed \(seed), \(kind)")
            last = packet.watermark
            let reached = input.sequence > 0 ? alone.watermarks[Int(input.sequence) - 1] : last
            #expect(packet.watermark <= reached, "seed \(seed), \(kind): ahead of its input")
        }
    }

    /// An owner that starts after an orderly end continues from its checkpoint and has nothing to
    /// do.
    private mutating func expectRest() {
        let before = tape.ways["checkpoint", default: 0]
        let bars = tape.bars.packets.count { !$0.outputs.isEmpty }
        let next = SimulatedOwner(
            tape, settings(of: generation), SimulatedBucket.Faults(), seed: seed)
        for _ in 0..<200 where !next.isDone { next.step(now: now, using: &random) }
        #expect(next.isDone, "seed \(seed): \(next.stage)")
        #expect(tape.ways["checkpoint"] == before + 1, "seed \(seed)")
        #expect(tape.bars.packets.count { !$0.outputs.isEmpty } == bars, "seed \(seed)")
    }
}
