import Foundation
import Primitives
import TestSupport
import Testing

/// What happens to the services and to NATS, and when, from a seed.
struct FaultSchedule: CustomStringConvertible {
    enum Action: CustomStringConvertible {
        case kill(Pipeline.Role)
        /// A killed process is started again immediately.
        case replace(Pipeline.Role)
        case end(Pipeline.Role)
        case start(Pipeline.Role)
        case pause(Pipeline.Role)
        case resume(Pipeline.Role)
        case killNats
        case restartNats
        case pauseNats
        case resumeNats

        var description: String {
            switch self {
            case .kill(let role): "kill \(role)"
            case .replace(let role): "replace \(role)"
            case .end(let role): "end \(role)"
            case .start(let role): "start \(role)"
            case .pause(let role): "pause \(role)"
            case .resume(let role): "resume \(role)"
            case .killNats: "kill NATS"
            case .restartNats: "restart NATS"
            case .pauseNats: "pause NATS"
            case .resumeNats: "resume NATS"
            }
        }
    }

    struct Step {
        /// Milliseconds since the beginning.
        let milliseconds: Int
        let action: Action
    }

    /// Far longer than a lease, so a paused member has lost everything when it wakes up.
    private static let pauseMilliseconds = StormSize.size(short: 2_500, long: 5_000)
    private static let downMilliseconds = StormSize.size(short: 0...1_000, long: 0...2_500)
    private static let apartMilliseconds = StormSize.size(short: 300...700, long: 300...1_500)
    private static let firstMilliseconds = StormSize.size(short: 0...1_500, long: 0...3_000)

    let seed: UInt64
    let steps: [Step]

    /// Steps at the same time keep their order, so an end comes after its beginning.
    private init(seed: UInt64, _ steps: [Step]) {
        self.seed = seed
        self.steps = steps.enumerated()
            .sorted { ($0.element.milliseconds, $0.offset) < ($1.element.milliseconds, $1.offset) }
            .map(\.element)
    }

    /// Faults that may overlap: a process may be killed while it is paused, and NATS may stop while
    /// all others are down.
    static func kills(seed: UInt64, milliseconds: Int) -> FaultSchedule {
        var random = SeededRandom(seed: seed)
        var steps: [Step] = []
        func add(_ action: Action, until end: Action? = nil, after pause: Int = 0) {
            let time = Int.random(in: 0..<(milliseconds - pause), using: &random)
            steps.append(Step(milliseconds: time, action: action))
            if let end { steps.append(Step(milliseconds: time + pause, action: end)) }
        }
        for role in Pipeline.Role.usual {
            add(.pause(role), until: .resume(role), after: pauseMilliseconds)
            for _ in 0..<2 { add(.replace(role)) }
        }
        add(.killNats)
        add(.restartNats)
        let pause = Int.random(in: 100...3_500, using: &random)
        add(.pauseNats, until: .resumeNats, after: pause)
        return FaultSchedule(seed: seed, steps)
    }

    /// Each role is killed once, ended once and paused once, in any order, and stays down for a
    /// while, so that others take over its partitions. The faults of one role do not overlap, but
    /// those of different roles do.
    static func churn(seed: UInt64, roles: [Pipeline.Role]) -> FaultSchedule {
        var random = SeededRandom(seed: seed)
        var steps: [Step] = []
        for role in roles {
            var time = Int.random(in: firstMilliseconds, using: &random)
            for (begin, end) in [
                (Action.kill(role), Action.start(role)), (.end(role), .start(role)),
                (.pause(role), .resume(role)),
            ].shuffled(using: &random) {
                var down = pauseMilliseconds
                if case .start = end { down = Int.random(in: downMilliseconds, using: &random) }
                steps.append(Step(milliseconds: time, action: begin))
                steps.append(Step(milliseconds: time + down, action: end))
                time += down + Int.random(in: apartMilliseconds, using: &random)
            }
        }
        let end = steps.map(\.milliseconds).max() ?? 1
        for action in [Action.killNats, .restartNats] {
            steps.append(
                Step(milliseconds: Int.random(in: 0..<end, using: &random), action: action))
        }
        return FaultSchedule(seed: seed, steps)
    }

    var description: String {
        let told = steps.map { "\($0.milliseconds) ms \($0.action)" }
        return "TAPELINE_SEED=\(seed): \(told.joined(separator: "; "))"
    }
}

/// Lets a fault, or a calm, last for this time. It does not wait for an event.
func pass(milliseconds: Int) { poll(nil, 0, Int32(milliseconds)) }

extension Pipeline {
    /// Lets the faults happen at their times.
    func carryOut(_ schedule: FaultSchedule) throws {
        let begin = ContinuousClock.now
        for step in schedule.steps {
            let left = ContinuousClock.now.duration(to: begin + .milliseconds(step.milliseconds))
            pass(milliseconds: max(0, Int(left / .milliseconds(1))))
            try perform(step.action)
        }
    }

    private func perform(_ action: FaultSchedule.Action) throws {
        switch action {
        case .kill(let role):
            let victim = try service(role)
            victim.kill()
            victim.expectCleanOutput(secrets: secrets)
        case .replace(let role): try killAndRestart(role)
        case .end(let role): try service(role).signal(SIGTERM)
        case .start(let role):
            // A member that was asked to end may still be handing over.
            _ = try service(role).exitCode()
            try start(role)
        case .pause(let role): try service(role).signal(SIGSTOP)
        case .resume(let role): try service(role).signal(SIGCONT)
        case .killNats:
            nats.kill()
            try nats.start()
        case .restartNats: try nats.restart()
        case .pauseNats: nats.pause()
        case .resumeNats: nats.resume()
        }
    }

    /// Ends the source, expects that all its ticks are stored and audited, and stops all services.
    func expectAllStored(within seconds: Double = 120) throws {
        if load.ticks == 0 { try endSource() }
        try expectDrained(within: seconds)
        try expectCleanAudit()
        stopAll()
    }
}
