import Foundation
import Primitives

/// Kills, pauses, ends and restarts members, and restarts the server, at random moments from a
/// seed. A member stays down for a while, so that others take over its partitions.
struct ChurnSchedule: CustomStringConvertible {
    enum Action: CustomStringConvertible {
        case kill(Pipeline.Role)
        case end(Pipeline.Role)
        case start(Pipeline.Role)
        case pause(Pipeline.Role)
        case resume(Pipeline.Role)
        case killNats
        case restartNats

        var description: String {
            switch self {
            case .kill(let role): "kill \(role)"
            case .end(let role): "end \(role)"
            case .start(let role): "start \(role)"
            case .pause(let role): "pause \(role)"
            case .resume(let role): "resume \(role)"
            case .killNats: "kill NATS"
            case .restartNats: "restart NATS"
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

    /// Each role is killed once, ended once and paused once, in any order. The faults of one role
    /// do not overlap, but those of different roles do.
    init(seed: UInt64, roles: [Pipeline.Role]) {
        self.seed = seed
        var random = SeededRandom(seed: seed)
        var steps: [Step] = []
        for role in roles {
            var time = Int.random(in: Self.firstMilliseconds, using: &random)
            for trouble in [0, 1, 2].shuffled(using: &random) {
                let down: Int
                switch trouble {
                case 0:
                    down = Int.random(in: Self.downMilliseconds, using: &random)
                    steps.append(Step(milliseconds: time, action: .kill(role)))
                    steps.append(Step(milliseconds: time + down, action: .start(role)))
                case 1:
                    down = Int.random(in: Self.downMilliseconds, using: &random)
                    steps.append(Step(milliseconds: time, action: .end(role)))
                    steps.append(Step(milliseconds: time + down, action: .start(role)))
                default:
                    down = Self.pauseMilliseconds
                    steps.append(Step(milliseconds: time, action: .pause(role)))
                    steps.append(Step(milliseconds: time + down, action: .resume(role)))
                }
                time += down + Int.random(in: Self.apartMilliseconds, using: &random)
            }
        }
        let end = steps.map(\.milliseconds).max() ?? 1
        for action in [Action.killNats, .restartNats] {
            steps.append(
                Step(milliseconds: Int.random(in: 0..<end, using: &random), action: action))
        }
        // Steps at the same time keep their order, so an end comes after its beginning.
        self.steps = steps.enumerated()
            .sorted { ($0.element.milliseconds, $0.offset) < ($1.element.milliseconds, $1.offset) }
            .map(\.element)
    }

    var description: String {
        let told = steps.map { "\($0.milliseconds) ms \($0.action)" }
        return "TAPELINE_SEED=\(seed): \(told.joined(separator: "; "))"
    }
}
