import MarketModel
import Primitives
import SimulationKit
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

/// The state that all owners of the simulated partition share.
final class SimulatedTape {
    let ticks: SimulatedTicks
    /// The number of packets of ticks that are on the tape already.
    var published = 0
    let bars = SimulatedBars()
    let bucket = BucketServer()
    let keys = CheckpointKeys(partition: 0)
    /// The decisions to begin output again, and those whose checkpoint was stored.
    var decided: [DecidedBase] = []
    var bases: [DecidedBase] = []
    /// How often owners began in each way.
    var ways: [String: Int] = [:]
    var damages = 0
    /// The number of finished repairs, and of those that began but did not finish.
    var repairs = 0
    var droppedRepairs = 0
    /// How often an owner began between two days of one repair.
    var resumedRepairs = 0

    init(_ ticks: SimulatedTicks) { self.ticks = ticks }
}

/// Output begins again after this ordinal, and from this input.
struct DecidedBase {
    var output: UInt64
    var input: UInt64
    var generation: UInt32
    var epoch: UInt64

    func isOf(_ head: CheckpointHead, output: UInt64) -> Bool {
        head.generation == generation && head.epoch == epoch && self.output == output
    }
}

/// One process that works on the partition: the shipped core, store and decision, in a plain shell
/// as in `Worker`.
final class SimulatedOwner {
    enum Stage: Equatable { case looking, finding, working, leaving, stopped(String), fenced }

    private(set) var stage = Stage.looking
    var core: PartitionOperator?
    let settings: OperatorSettings
    let lane: SimulatedLane
    let bucket: SimulatedBucket
    let tape: SimulatedTape
    private var store: CheckpointStore<SimulatedBucket>
    private var taken = 0
    private var image: CheckpointImage?
    private var isRebuilding = false
    /// The repair in progress. `nil` without one.
    var repair: SimulatedRepair?
    /// True after a repair is finished: the next checkpoint must come after it.
    var hasRepaired = false
    /// True while the process ends in order.
    var isStopping = false

    init(
        _ tape: SimulatedTape, _ settings: OperatorSettings, _ faults: SimulatedBucket.Faults,
        seed: UInt64
    ) {
        self.tape = tape
        self.settings = settings
        lane = SimulatedLane(
            tape.bars, generation: settings.generation, barsMax: 1 + Int(seed % 5))
        bucket = SimulatedBucket(tape.bucket, faults, seed: seed)
        store = CheckpointStore(bucket, partition: 0, partBytesMax: 600)
    }

    var isStopped: Bool {
        if case .stopped = stage { return true }
        return false
    }

    var isDone: Bool {
        stage == .working && taken == tape.published && lane.isIdle && image == nil
            && core?.isAtRest == true && core?.hasBegunLine == true && core?.hasRepair == false
    }

    /// True if an ending process has nothing left to do, although there is more to read.
    var hasLeft: Bool {
        isStopping && stage == .working && lane.isIdle && image == nil && core?.mayGo == true
    }

    /// Does one small step of the process.
    func step(now: MonotonicTime, using random: inout SeededRandom) {
        if lane.isFenced { stage = .fenced }
        switch stage {
        case .stopped, .fenced: look(forRequest: true)
        case .looking: look()
        case .finding: if lane.isReady { find() }
        case .working, .leaving:
            switch Int.random(in: 0..<10, using: &random) {
            case 0, 1, 2: read()
            case 3, 4: core?.pump(lane, now: now)
            case 5: lane.arrive()
            case 6: if let header = lane.acknowledge() { core?.acknowledge(header) }
            case 7: keep(now: now)
            default: if stage == .working { mend(using: &random) }
            }
            if stage == .working, Int.random(in: 0..<20, using: &random) == 0 {
                look(forRequest: true)
            }
            if stage == .leaving, core?.isEmpty ?? true, lane.isIdle { beginAnew() }
        }
        if let reason = core?.stopped { stage = .stopped(reason) }
    }

    private func read() {
        guard stage == .working, !isStopping, let core, !core.mustHold, taken < tape.published
        else { return }
        let packet = tape.ticks.packets[taken]
        taken += 1
        packet.bytes.withRawSpan {
            self.core?.take(packet.header, $0, at: packet.position)
        }
    }

    // MARK: beginning

    private func situation(_ laneOrdinal: UInt64?) throws(CheckpointFailure) -> RecoverySituation {
        var found = RecoverySituation(
            partition: Partition(0), definition: settings.definition,
            generation: settings.generation, program: settings.program)
        if laneOrdinal != nil { tape.damages += try store.claim(epoch: lane.epoch).count }
        found.stored = try store.load(
            definition: settings.definition,
            generation: laneOrdinal == nil ? 0 : settings.generation, program: settings.program,
            isClaimed: laneOrdinal != nil)
        found.laneOrdinal = laneOrdinal
        found.laneEpoch = laneOrdinal == nil ? nil : lane.epoch
        found.request = try store.rebuildRequest()
        found.published = tape.bars.published
        found.markerGeneration = tape.bars.markerGeneration
        found.streamCreated = SimulatedTicks.streamCreated
        found.isInputThere = found.published.map { $0.input.sequence <= tape.published } ?? false
        return found
    }

    private func look() {
        do throws(CheckpointFailure) {
            let found = try situation(nil)
            switch found.refusal {
            case .standBy: break
            case .stop(let reason): stage = .stopped(reason)
            case .begin, .raise, nil:
                if !lane.isOpen { lane.open(above: found.stored.head?.epoch ?? 0) }
                stage = .finding
            }
        } catch {
            // Retried at the next step.
            stage = .looking
        }
    }

    private func find() {
        do throws(CheckpointFailure) {
            let found = try situation(lane.nextOrdinal - 1)
            tape.damages += found.stored.damage.count
            isRebuilding = found.request != nil
            switch found.recovery {
            case .begin(let beginning): begin(beginning)
            case .raise(let ordinal, let epoch, _): lane.open(ordinal: ordinal, above: epoch)
            case .standBy: stage = .looking
            case .stop(let reason): stage = .stopped(reason)
            }
        } catch {
            stage = .looking
        }
    }

    private func begin(_ beginning: Beginning) {
        tape.ways[beginning.way.name, default: 0] += 1
        if !beginning.input.pending.isEmpty { tape.resumedRepairs += 1 }
        if case .base(let base) = beginning.way {
            tape.decided.append(
                DecidedBase(
                    output: beginning.output?.ordinal ?? 0, input: base.end?.sequence ?? 0,
                    generation: settings.generation, epoch: lane.epoch))
        }
        core = PartitionOperator(
            partition: Partition(0), settings: settings, beginning: beginning, lane: lane)
        taken = Int(beginning.input.position?.sequence ?? 0)
        stage = .working
    }

    /// Checks for a person's request, which makes it begin again in any stage.
    private func look(forRequest: Bool) {
        guard stage != .fenced, !isRebuilding, tape.bucket.value(tape.keys.request) != nil else {
            return
        }
        if stage == .working { stage = .leaving } else { beginAnew() }
    }

    private func beginAnew() {
        core = nil
        image = nil
        dropRepair()
        hasRepaired = false
        stage = .looking
    }

    // MARK: checkpoints

    private func keep(now: MonotonicTime) {
        guard let held = image else {
            do throws(CheckpointError) {
                let isNew = core?.waiting == nil
                image = try core?.checkpoint(now: now, isLast: isStopping)
                if isNew, image != nil || core?.waiting != nil, core?.repair?.isHidden == true {
                    Issue.record("a checkpoint within a hidden repair")
                }
                expectImageBehindRepair()
            } catch {
                core?.notStored(now: now)
            }
            return
        }
        image = nil
        do throws(CheckpointFailure) {
            switch try store.write(held, epoch: lane.epoch) {
            case .stored:
                core?.stored()
                isRebuilding = false
            case .superseded(let reason): core?.superseded(reason)
            }
        } catch {
            store.forget()
            core?.notStored(now: now)
        }
    }

    /// Expects a checkpoint after a repair, because repeating the repair after a crash would take
    /// long.
    private func expectImageBehindRepair() {
        guard hasRepaired, let core else { return }
        if image != nil || core.waiting != nil {
            hasRepaired = false
        } else if core.isCaughtUp, !core.hasRepair, !core.schedule.isOver {
            Issue.record("no checkpoint behind a repair")
        }
    }
}
