import Membership
import PostgresClient
import Primitives
import ServiceRuntime
import StoreSinks

/// Carries out `tapeline store fill`.
struct FillRun {
    let command: StoreCommand
    let terminal: Terminal
    let shutdown: ShutdownSignal
    var steps = FillSteps()
    /// Called after each transaction.
    var onStep: () -> Void = {}

    func run(_ store: Deployment, _ other: Deployment) throws(ToolError) -> ExitCode {
        let target = try store.openDatabase(FillTarget.configuration)
        defer { target.close() }
        let source = try other.openDatabase(FillSource.configuration)
        defer { source.close() }
        do {
            return try run(target, source)
        } catch {
            throw ToolError(error) { .unreachable("the store was not filled to the end: \($0)") }
        }
    }

    private func run(
        _ target: PostgresConnection, _ source: PostgresConnection
    ) throws -> ExitCode {
        let books = try FillBooks(target, of: command.store.text)
        let others = try FillBooks(source, of: command.other.text)
        try books.check(command, others)
        let into = FillTarget(
            database: target, columns: books.columns, store: command.store.text)
        guard try command.isDryRun || into.lock() else {
            throw ToolError.refused("\(command.store) is being filled by another command")
        }
        let plan = FillPlan(of: books.lanes, from: others.lanes)
        var report = FillReport(command, plan)
        if !command.isDryRun {
            let from = FillSource(
                source, columns: books.columns, sink: command.store.text, sinks: command.tables)
            var line = ProgressLine(terminal, asJSON: command.asJSON)
            defer { line.end() }
            try fill(plan, others, from, into) { lane, outcome in
                report.add(outcome, to: lane)
                line.show { report.progress(lane) }
                onStep()
            }
        }
        if command.asJSON {
            terminal.line(report.json)
        } else {
            for line in report.lines { terminal.line(line) }
        }
        return report.left == 0 ? .success : .incomplete
    }

    private func fill(
        _ plan: FillPlan, _ others: FillBooks, _ source: FillSource, _ target: FillTarget,
        _ note: (FillLane, FillOutcome) -> Void
    ) throws {
        if plan.missing.contains(where: { $0.lane.input == "bars" && !$0.stretches.isEmpty }) {
            try target.note(series: source.series())
        }
        for stretch in plan.missing.flatMap(\.stretches) {
            var unnamed = others.lanes[stretch.lane]?.unnamed ?? FillAccount.Unnamed()
            // What is not copied is skipped, as the store itself skips it.
            if command.tables.count < SinkName.allCases.count { unnamed.skipped += 1 }
            for pass in stretch.parts(of: self.steps.pass) {
                try fill(pass, unnamed, source, target, note)
            }
        }
    }

    /// Fills a pass. First only rows of the usual times are read, unless rows are missing anyway.
    private func fill(
        _ pass: FillPlan.Stretch, _ unnamed: FillAccount.Unnamed, _ source: FillSource,
        _ target: FillTarget, _ note: (FillLane, FillOutcome) -> Void
    ) throws {
        var size = self.steps.step
        var steps = pass.parts(of: size)[...]
        try source.begin(pass, isNarrow: unnamed.isNothing)
        while let step = steps.first {
            guard !shutdown.isRequested else {
                throw ToolError.refused("interrupted: repeat it, and it continues")
            }
            let rows: [FillRows]
            switch try source.rows(of: step) {
            case .rows(let found): rows = found
            case .incomplete:
                try source.begin(pass.rest(from: step), isNarrow: false)
                continue
            case .tooLarge:
                size = max(1, size / 10)
                steps = pass.rest(from: step).parts(of: size)[...]
                try source.begin(pass.rest(from: step), isNarrow: unnamed.isNothing)
                continue
            }
            let ordinals = rows.filter(\.table.isCounted).flatMap(\.ordinals).sorted()
            guard let outcome = FillOutcome(step, rows: ordinals, unnamed) else {
                throw ToolError.refused(
                    "the rows of \(command.other) are not what its books say of ordinals "
                        + "\(step.ordinals.lowerBound) to \(step.ordinals.upperBound) of "
                        + "\(step.lane.source) in partition \(step.lane.partition): run 'tapeline "
                        + "audit --all' for it")
            }
            try target.store(step, rows, outcome, source.times(of: step))
            note(step.lane, outcome)
            steps.removeFirst()
        }
        try source.end()
    }
}
