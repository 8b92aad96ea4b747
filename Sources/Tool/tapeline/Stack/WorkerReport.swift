import Primitives

/// What a worker's status page says of the graph by which it makes bars. Pure.
struct WorkerReport: Equatable {
    /// What workers are to make bars by.
    struct Wanted: Equatable {
        /// The hash of the graph.
        let graph: UInt64
        let generation: UInt32
        /// The number of partitions, each of which one of them owns.
        let partitions: Int
    }

    let name: String
    /// Why it makes no bars. `nil` if it is ready.
    var problem: String?
    /// The hash of its graph. `nil` if it did not say.
    var graph: UInt64?
    var generation: UInt32?
    /// The partitions that it owns and whose bars it makes.
    var working: Set<Int> = []

    init(name: String, problem: String?) {
        self.name = name
        self.problem = problem
    }

    /// Reads the page, which is `nil` if the process gave none.
    init(name: String, _ status: JSONValue?) {
        self.init(name: name, problem: nil)
        guard let status else {
            problem = UnitPlan.noAnswer
            return
        }
        let own = status["operator"]
        graph = own?["graph"]?.string.flatMap { UInt64($0, radix: 16) }
        generation = own?["generation"]?.uint64.flatMap { UInt32(exactly: $0) }
        for partition in own?["partitions"]?.array ?? [] {
            guard partition["scope"]?.string != "all" else { continue }
            if let text = partition["problem"]?.string {
                problem = problem ?? "partition \(partition["partition"]?.int ?? 0): \(text)"
            } else if let number = partition["partition"]?.int {
                working.insert(number)
            }
        }
        if status["ready"]?.bool != true {
            problem = status["reasons"]?.array?.first?.string ?? problem ?? UnitPlan.notReady
        }
    }

    /// Returns what is missing until the workers make all bars by what is wanted.
    static func problems(_ reports: [WorkerReport], _ wanted: Wanted) -> [String] {
        var problems: [String] = reports.compactMap { report in
            if let problem = report.problem { return "\(report.name): \(problem)" }
            return report.graph == wanted.graph && report.generation == wanted.generation
                ? nil : "\(report.name) runs another graph"
        }
        let owned = reports.reduce(into: Set<Int>()) { $0.formUnion($1.working) }
        if problems.isEmpty, owned.count < wanted.partitions {
            problems.append(
                "\(wanted.partitions - owned.count) of \(wanted.partitions) partitions have no "
                    + "worker that makes their bars")
        }
        return problems
    }
}
