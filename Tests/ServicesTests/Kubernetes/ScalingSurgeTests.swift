import Testing

/// A rollout while the scaler keeps the present number of pods: the database is away, or KEDA falls
/// back to what is there. The HPA counts all pods of a rollout, and so do the formulas.
@Suite("Kubernetes: a rollout while the number is to stay")
struct ScalingSurgeTests {
    private static let pods = ["operator-worker", "store-writer"]

    /// Returns what the HPA proposes for a metric with an average value, as the page of Kubernetes
    /// about it says. `present` are all pods that the Deployment has.
    private func proposal(_ value: Double, target: Double, present: Int) -> Int {
        let isWithinTolerance = abs(1 - value / (target * Double(present))) <= 0.1
        return isWithinTolerance ? present : Int((value / target).rounded(.up))
    }

    /// Returns the wanted pods after ten minutes of a rollout whose new pods do not become ready.
    /// The HPA polls every 15 s, and takes the lower of the proposals of the last 30 s. Proposals
    /// of fewer pods wait longer than that.
    private func wanted(from start: Int, surge: Int, unavailable: Int) -> Int {
        let target = 50_000.0
        var wanted = start
        var recent: [Int] = []
        for poll in 0..<40 {
            // The pod that is replaced may be gone already.
            let present = wanted + surge - (poll % 2 == 0 ? 0 : unavailable)
            let proposal = proposal(Double(present) * target, target: target, present: present)
            recent = recent.suffix(1) + [proposal]
            wanted = min(32, max(wanted, recent.min() ?? wanted))
        }
        return wanted
    }

    @Test("with a surge it climbs by one in 30 s, which is why no scaled pod has one")
    func climbs() {
        #expect(wanted(from: 4, surge: 1, unavailable: 0) == 24)
        #expect(wanted(from: 12, surge: 1, unavailable: 0) == 32)
    }

    @Test("in each overlay that scales the number stays", arguments: [2, 4, 12, 31])
    func stays(start: Int) throws {
        var seen = 0
        for rendered in try Rendered.all() {
            guard rendered.manifests.contains(where: { Self.scalers.contains($0.kind) }) else {
                continue
            }
            for name in Self.pods {
                let deployment = try #require(rendered.manifest("Deployment", name))
                let update = deployment.node["spec", "strategy", "rollingUpdate"]
                let surge = try #require(update?["maxSurge"]?.integer, "\(deployment)")
                let unavailable = try #require(update?["maxUnavailable"]?.integer)
                seen += 1
                #expect(
                    wanted(from: start, surge: surge, unavailable: unavailable) == start,
                    "\(deployment)")
            }
        }
        #expect(seen == 6)
    }

    private static let scalers = ["ScaledObject", "HorizontalPodAutoscaler"]
}
