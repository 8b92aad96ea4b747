import Foundation
import TestSupport
import Testing
import YAMLFile

/// Simulates the HPA with the behavior in a manifest, at a lag that grows after a step of the rate.
private struct Step {
    static let lookSeconds = 15
    /// Seconds until a new worker takes ticks.
    static let startSeconds = 5
    static let workerRate = 10_000
    static let rate = 50_000

    struct Look: Equatable {
        let second: Int
        let lag: Int
        let asks: Int
        let workers: Int
    }

    private(set) var looks: [Look] = []
    private(set) var most = (second: 0, lag: 0)
    private(set) var end = 0

    init(_ scaler: Manifest, seconds: Int) throws {
        let spec = try #require(scaler.node["spec"])
        let least = try #require(spec["minReplicaCount"]?.integer)
        let greatest = try #require(spec["maxReplicaCount"]?.integer)
        // Of what waits, and of the rate.
        let targets = ScalingMetric.all(of: scaler).compactMap {
            $0.metadata?["targetValue"]?.text.flatMap { Int($0) }
        }
        try #require(targets.count == 2)
        let ofRate = (Self.rate + targets[1] - 1) / targets[1]
        let up = try #require(
            spec["advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleUp"])
        let window = try #require(up["stabilizationWindowSeconds"]?.integer)
        var lag = 0, workers = least, takers = least
        // The proposals before the step.
        var asked = [(second: 0, count: 0)]
        for second in 1...seconds {
            lag = max(0, lag + Self.rate - takers * Self.workerRate)
            if lag > most.lag { most = (second, lag) }
            if lag == 0, end == 0 { end = second }
            if second % Self.lookSeconds == Self.startSeconds { takers = workers }
            guard second % Self.lookSeconds == 0 else { continue }
            let asks = max((lag + targets[0] - 1) / targets[0], ofRate)
            asked.append((second, asks))
            let counted = asked.filter { second - $0.second < window }.map(\.count).min() ?? 0
            workers = max(workers, min(counted, greatest, try Self.limit(workers, up)))
            looks.append(Look(second: second, lag: lag, asks: asks, workers: workers))
        }
    }

    /// Returns the greatest number that a policy allows. Each policy's period is that of the polls,
    /// so what the previous poll added does not count.
    private static func limit(_ workers: Int, _ up: YAMLNode) throws -> Int {
        let policies = try #require(up["policies"]?.sequence)
        return try policies.map { policy in
            let value = try #require(policy["value"]?.integer)
            #expect(policy["periodSeconds"]?.integer == lookSeconds)
            return policy["type"]?.text == "Percent"
                ? (workers * (100 + value) + 99) / 100 : workers + value
        }.max() ?? workers
    }
}

@Suite("Kubernetes: the arithmetic of the thresholds")
struct StepTests {
    @Test("a step of the rate is worked off as the manifest's comment says")
    func step() throws {
        let comment = try CheckoutFiles.text("deploy/keda/metrics-api/operator-worker.yaml")
            .replacing(/(\d),(\d)/) { "\($0.1)\($0.2)" }
        let scaler = try #require(
            try Rendered.named("production-keda").manifest("ScaledObject", "operator-worker"))
        let step = try Step(scaler, seconds: 75)
        let told = try comment.matches(of: /\n# +(\d+) s +(\d+) +(\d+) +(\d+)\n?(?=\n)/).map {
            Step.Look(
                second: try #require(Int($0.1)), lag: try #require(Int($0.2)),
                asks: try #require(Int($0.3)), workers: try #require(Int($0.4)))
        }
        #expect(told == step.looks)
        #expect(comment.contains("with \(Step.workerRate) ticks a second"))
        #expect(comment.contains("to \(Step.rate) ticks a second with 2 workers"))
        #expect(
            comment.contains(
                "greatest after \(step.most.second) s, \(step.most.lag) ticks, "
                    + "\(step.most.lag / Step.rate) s of the rate, and worked off after "
                    + "\(step.end) s."))
    }
}
