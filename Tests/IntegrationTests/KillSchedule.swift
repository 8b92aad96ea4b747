import Foundation
import Primitives

/// When each process is killed, paused and restarted, from a seed. Faults may overlap: a process
/// may be killed while it is paused, and NATS may stop while all others are down.
struct KillSchedule: CustomStringConvertible {
    enum Action: CustomStringConvertible {
        case kill(Pipeline.Role)
        case pause(Pipeline.Role)
        case resume(Pipeline.Role)
        case killNats
        case restartNats
        case pauseNats
        case resumeNats

        var description: String {
            switch self {
            case .kill(let role): "kill \(role)"
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

    /// Far longer than a lease.
    private static let pauseMilliseconds = StormSize.size(short: 2_500, long: 5_000)

    let seed: UInt64
    let steps: [Step]

    init(seed: UInt64, milliseconds: Int) {
        self.seed = seed
        var random = SeededRandom(seed: seed)
        var steps: [Step] = []
        func add(_ action: Action, until end: Action? = nil, after pause: Int = 0) {
            let time = Int.random(in: 0..<(milliseconds - pause), using: &random)
            steps.append(Step(milliseconds: time, action: action))
            if let end { steps.append(Step(milliseconds: time + pause, action: end)) }
        }
        for role in Pipeline.Role.usual {
            add(.pause(role), until: .resume(role), after: Self.pauseMilliseconds)
            for _ in 0..<2 { add(.kill(role)) }
        }
        add(.killNats)
        add(.restartNats)
        let pause = Int.random(in: 100...3_500, using: &random)
        add(.pauseNats, until: .resumeNats, after: pause)
        self.steps = steps.sorted { $0.milliseconds < $1.milliseconds }
    }

    var description: String {
        let told = steps.map { "\($0.milliseconds) ms \($0.action)" }
        return "TAPELINE_SEED=\(seed): \(told.joined(separator: "; "))"
    }
}
