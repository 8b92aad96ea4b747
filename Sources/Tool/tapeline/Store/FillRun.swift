import Membership
import PostgresClient
import Primitives
import ServiceRuntime
import TapeTransport

/// Carries out `tapeline store fill`.
struct FillRun {
    let command: StoreCommand
    let terminal: Terminal
    let shutdown: ShutdownSignal
    var steps = FillSteps()
    /// Called after each transaction.
    var onStep: () -> Void = {}

    func run(_ store: Deployment, _ other: Deployment) throws(ToolError) -> ExitCode {
        if let server = other.server {
            throw .refused(
                "\(command.other) is a store of \(server.title), which does not keep where a "
                    + "cancel by id stood: fill \(command.store) from a store of PostgreSQL")
        }
        let source = try other.openDatabase(FillSource.configuration)
        defer { source.close() }
        do {
            guard let server = store.server else { return try fillPostgres(store, source) }
            return try fill(server.filled(command.store), store, source)
        } catch {
            throw ToolError(error) { .unreachable("the store was not filled to the end: \($0)") }
        }
    }

    private func fillPostgres(
        _ store: Deployment, _ source: PostgresConnection
    ) throws -> ExitCode {
        let target = try store.openDatabase(FillTarget.configuration)
        defer { target.close() }
        return try run(source, .rows) { _ in
            try FillBooks(target, of: command.store.text)
        } target: { books in
            FillTarget(database: target, columns: books.columns, store: command.store.text)
        }
    }

    private func fill(
        _ server: any FilledServer, _ store: Deployment, _ source: PostgresConnection
    ) throws -> ExitCode {
        let tape = try store.openTape()
        defer { tape.close() }
        let target = try FilledStore(command.store, tape, server)
        return try run(source, .values) { others in
            try target.books(like: others)
        } target: { books in
            ServerFillTarget(target, from: command.other, streams: books.streams)
        }
    }

    /// `books` reads those of the store that is filled.
    private func run(
        _ source: PostgresConnection, _ form: FillSource.Form,
        books read: (FillBooks) throws -> FillBooks, target: (FillBooks) -> any FillWriting
    ) throws -> ExitCode {
        let others = try FillBooks(source, of: command.other.text)
        var books = try read(others)
        try books.check(command, others)
        let into = target(books)
        if !command.isDryRun {
            try into.begin()
            // Another command may have filled the store until now.
            books = try again(others, into, read)
        }
        let lanes = books.sharedLanes(of: others)
        // A server without transactions may have taken every other row of a batch.
        let plan = FillPlan(
            of: books.lanes, from: lanes, inputs: books.inputs,
            between: form == .values ? steps.step / 10 : 0)
        var report = FillReport(command, plan, dropped: books.dropped)
        guard !command.isDryRun else { return show(report) }
        let from = FillSource(
            source, columns: books.columns, sink: command.store.text, as: form)
        var isWhole = false
        do {
            var line = ProgressLine(terminal, asJSON: command.asJSON)
            defer { line.end() }
            isWhole = try fill(plan, lanes, from, into) { lane, event in
                switch event {
                case .stored(let outcome):
                    report.add(outcome, to: lane)
                    line.show { report.progress(lane) }
                    onStep()
                case .postponed(let ordinals): report.postpone(ordinals)
                }
            }
        } catch {
            // What was copied before stays.
            _ = show(report)
            end(into)
            throw error
        }
        try into.end()
        let now = try read(others)
        report.missingAtEnd = FillPlan(of: now.lanes, from: lanes, inputs: now.inputs).missing
            .reduce(0) { $0 + $1.ordinals }
        let code = show(report)
        guard isWhole else {
            terminal.problem("interrupted: repeat it, and it continues")
            return .interrupted
        }
        return code
    }

    /// Reads the books under the lock.
    private func again(
        _ others: FillBooks, _ into: any FillWriting, _ read: (FillBooks) throws -> FillBooks
    ) throws -> FillBooks {
        do {
            let books = try read(others)
            try books.check(command, others)
            return books
        } catch {
            end(into)
            throw error
        }
    }

    /// Lets other commands fill the store after an error.
    private func end(_ into: any FillWriting) {
        do {
            try into.end()
        } catch {
            terminal.problem("other commands cannot fill \(command.store) yet: \(error)")
        }
    }

    private func show(_ report: FillReport) -> ExitCode {
        if command.asJSON {
            terminal.line(report.json)
        } else {
            for line in report.lines { terminal.line(line) }
        }
        return report.code
    }

    /// What became of ordinals.
    private enum Event {
        case stored(FillOutcome)
        /// So many are filled by a later command.
        case postponed(Int64)
    }

    /// Returns false if it was interrupted.
    private func fill(
        _ plan: FillPlan, _ lanes: [FillLane: FillAccount], _ source: FillSource,
        _ target: any FillWriting, _ note: (FillLane, Event) -> Void
    ) throws -> Bool {
        if plan.missing.contains(where: { $0.lane.input == "bars" && !$0.stretches.isEmpty }) {
            try target.note(series: source.series())
        }
        for stretch in plan.missing.flatMap(\.stretches) {
            let unnamed = lanes[stretch.lane]?.unnamed ?? 0
            do {
                for pass in stretch.parts(of: self.steps.pass) {
                    guard try fill(pass, unnamed, source, target, note) else { return false }
                }
            } catch let postponed as FillTarget.Postponed {
                try source.end()
                note(stretch.lane, .postponed(stretch.rest(from: postponed.step).ordinals.size))
            }
        }
        return true
    }

    /// Fills a pass. First only rows of the usual times are read. Returns false if it was
    /// interrupted.
    private func fill(
        _ pass: FillPlan.Stretch, _ unnamed: Int64, _ source: FillSource, _ target: any FillWriting,
        _ note: (FillLane, Event) -> Void
    ) throws -> Bool {
        var size = self.steps.step
        var steps = pass.parts(of: size)[...]
        try source.begin(pass, .minutes)
        while let step = steps.first {
            guard !shutdown.isRequested else {
                try source.end()
                return false
            }
            let rows: [FillRows]
            switch try source.rows(of: step) {
            case .rows(let found): rows = found
            case .incomplete:
                try source.begin(pass.rest(from: step), source.readWindow.wider)
                continue
            case .tooLarge:
                size = max(1, size / 10)
                steps = pass.rest(from: step).parts(of: size)[...]
                try source.begin(pass.rest(from: step), source.readWindow)
                continue
            }
            let ordinals = rows.filter(\.table.isCounted).flatMap { $0.rows.map(\.ordinal) }
            guard FillOutcome.isExplained(step, rows: ordinals.sorted(), unnamed) else {
                throw ToolError.refused(
                    "the rows of \(command.other) are not what its books say of \(step.place): "
                        + "run 'tapeline audit --all' for it")
            }
            let outcome = try target.store(step, rows, source.times(of: step, rows))
            note(step.lane, .stored(outcome))
            steps.removeFirst()
        }
        try source.end()
        return true
    }
}
