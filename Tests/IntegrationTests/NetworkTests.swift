import Foundation
import Primitives
import Seeds
import TestSupport
import Testing

extension IntegrationTests {
    /// Network faults between the services and NATS: links cut with messages under way, answers
    /// that are lost, late or wrong. Afterwards the audit is clean.
    @Suite struct NetworkTests {
        private enum Fault: CustomStringConvertible {
            case cut
            case cutUnread(milliseconds: Int)
            case lose(Int, NatsProxy.Traffic)
            case hold(Int, NatsProxy.Traffic, milliseconds: Int)
            case refuse(Int, NatsProxy.Refusal, stored: Bool)
            case kill(Pipeline.Role)

            var description: String {
                switch self {
                case .cut: "cut"
                case .cutUnread(let time): "cut with \(time) ms unread"
                case .lose(let count, let traffic): "lose \(count) \(traffic)"
                case .hold(let count, let traffic, let time):
                    "hold \(count) \(traffic) \(time) ms"
                case .refuse(let count, .noResponders, let stored):
                    "answer \(count) with 503\(stored ? " though stored" : "")"
                case .refuse(let count, .error(let code, _, _), let stored):
                    "refuse \(count) with \(code)\(stored ? " though stored" : "")"
                case .kill(let role): "kill \(role)"
                }
            }
        }

        /// The calm before a fault, in milliseconds, and the fault.
        private typealias Step = (calm: Int, fault: Fault)

        private func steps(_ count: Int, seed: UInt64) -> [Step] {
            var random = SeededRandom(seed: seed)
            return (0..<count).map { _ in
                let many = Int.random(in: 1...30, using: &random)
                let time = Int.random(in: 20...2_600, using: &random)
                let isStored = Bool.random(using: &random)
                let refusal =
                    Bool.random(using: &random)
                    ? NatsProxy.Refusal.error(
                        code: 429, errorCode: 10_167, description: "too many requests")
                    : .noResponders
                let role = Pipeline.Role.usual[Int.random(in: 0..<4, using: &random)]
                let fault: Fault =
                    switch Int.random(in: 0..<10, using: &random) {
                    case 0: .cut
                    case 1, 2: .cutUnread(milliseconds: time / 3)
                    case 3: .lose(many, .acknowledgement)
                    case 4: .hold(many, .acknowledgement, milliseconds: time)
                    case 5: .hold(many, .publish, milliseconds: time)
                    case 6, 7: .refuse(many, refusal, stored: isStored)
                    case 8: .lose(many, isStored ? .delivery : .pull)
                    default: .kill(role)
                    }
                return (Int.random(in: 0...700, using: &random), fault)
            }
        }

        @Test(
            "Links cut, answers lost, late and untrue, as a seed says",
            arguments: StormSize.seeds.all())
        func schedule(seed: UInt64) throws {
            let steps = steps(StormSize.size(short: 6, long: 12), seed: seed)
            let told = steps.map { "\($0.calm) ms, \($0.fault)" }.joined(separator: "; ")
            print("faults of the network: TAPELINE_SEED=\(seed): \(told)")
            let load = Pipeline.Load(
                ticks: 0, rate: 500, backlogSeconds: 20, seed: seed)
            let pipeline = try Pipeline(load, throughProxy: true)
            let proxy = try #require(pipeline.proxy)
            try pipeline.startAll()
            for step in steps {
                pass(milliseconds: step.calm)
                switch step.fault {
                case .cut: proxy.cut()
                case .cutUnread(let time):
                    proxy.freeze(.toClient)
                    pass(milliseconds: time)
                    proxy.cut()
                    proxy.thaw()
                case .lose(let count, let traffic): proxy.lose(count, traffic)
                case .hold(let count, let traffic, let time):
                    proxy.hold(count, traffic)
                    pass(milliseconds: time)
                    proxy.release()
                case .refuse(let count, let refusal, let stored):
                    proxy.refuse(count, refusal, stored: stored)
                case .kill(let role): try pipeline.killAndRestart(role)
                }
            }
            proxy.calm()
            try pipeline.expectAllStored()
        }
    }
}
