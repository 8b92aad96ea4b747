import Foundation
import Primitives
import Seeds
import TestSupport

/// The faults of the tape, its connection and its processes, in order, from a seed.
struct FaultSchedule: CustomStringConvertible, Sendable {
    enum Fault: Sendable, CustomStringConvertible {
        /// Cuts all links at the same time.
        case cut
        /// The same, with what the server sent in this time still unread.
        case cutUnread(milliseconds: Int)
        case restart
        case kill(milliseconds: Int)
        case pause(milliseconds: Int)
        case deleteConsumers
        /// Destroys the newest message of a subject, or all of its messages.
        case destroy(lane: Int, all: Bool)
        case lose(Int, NatsProxy.Traffic)
        case hold(Int, NatsProxy.Traffic, milliseconds: Int)
        case refuse(Int, NatsProxy.Refusal, stored: Bool)
        /// Publisher and readers end as by a crash, and new ones continue at their positions.
        case recreate

        var description: String {
            switch self {
            case .cut: "cut"
            case .cutUnread(let time): "cut with \(time) ms unread"
            case .restart: "restart NATS"
            case .kill(let time): "kill NATS for \(time) ms"
            case .pause(let time): "pause NATS for \(time) ms"
            case .deleteConsumers: "delete the consumers"
            case .destroy(let lane, let all):
                "\(all ? "purge the subject" : "delete the last message") of lane \(lane)"
            case .lose(let count, let traffic): "lose \(count) \(traffic)"
            case .hold(let count, let traffic, let time): "hold \(count) \(traffic) \(time) ms"
            case .refuse(let count, .noResponders, let stored):
                "answer \(count) with 503\(stored ? " though stored" : "")"
            case .refuse(let count, .error(let code, _, _), let stored):
                "refuse \(count) with \(code)\(stored ? " though stored" : "")"
            case .recreate: "new publisher and readers"
            }
        }
    }

    struct Step: Sendable {
        /// The turns of the thread before the fault.
        let turns: Int
        let fault: Fault
    }

    let seed: UInt64
    let steps: [Step]

    static let ingestQueueFull = NatsProxy.Refusal.error(
        code: 429, errorCode: 10_167, description: "too many requests")
    /// A leader's answer while a write to the subject is on its way to its replicas.
    static let inProcess = NatsProxy.Refusal.error(
        code: 400, errorCode: 10_164, description: "wrong last sequence")

    init(seed: UInt64, lanes: Int, steps count: Int) {
        self.seed = seed
        var random = SeededRandom(seed: seed)
        steps = (0..<count).map { _ in
            Step(
                turns: Int.random(in: 5...40, using: &random),
                fault: Self.fault(lanes: lanes, using: &random))
        }
    }

    private static func fault(lanes: Int, using random: inout SeededRandom) -> Fault {
        let count = Int.random(in: 1...4, using: &random)
        // Mostly short, sometimes longer than every time-out that it affects.
        let isLong = Int.random(in: 0..<4, using: &random) == 0
        let time = Int.random(in: isLong ? 2_000...5_000 : 20...800, using: &random)
        let isStored = Bool.random(using: &random)
        let lane = Int.random(in: 0..<lanes, using: &random)
        let refusal = Bool.random(using: &random) ? ingestQueueFull : .noResponders
        switch Int.random(in: 0..<16, using: &random) {
        case 0: return .cut
        case 1, 2: return .cutUnread(milliseconds: time / 4)
        case 3: return .restart
        case 4: return .kill(milliseconds: time / 4)
        case 5, 6: return .pause(milliseconds: time)
        case 7: return .deleteConsumers
        case 8: return .destroy(lane: lane, all: isStored)
        case 9: return .lose(count, .acknowledgement)
        case 10: return .hold(count, .acknowledgement, milliseconds: time)
        case 11: return .hold(count, .publish, milliseconds: time)
        case 12, 13: return .refuse(count, refusal, stored: isStored)
        case 14: return .lose(count, isStored ? .delivery : .pull)
        default: return .recreate
        }
    }

    var description: String {
        let told = steps.map { "\($0.turns) turns, \($0.fault)" }
        return "TAPELINE_SEED=\(seed): \(told.joined(separator: "; "))"
    }

    private static func number(_ key: String) -> UInt64? {
        ProcessInfo.processInfo.environment[key].flatMap { UInt64($0) }
    }

    /// The longest wait of a schedule. FAULT_WAIT_MAX=5000 allows all waits in full.
    static let waitMax = Int(number("FAULT_WAIT_MAX") ?? 1_000)
}
