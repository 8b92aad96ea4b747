import Primitives

/// Writers and database for the page that shows them. Every part has its time, as in
/// `LookDocument`.
struct StoreDocument {
    let look: StoreBoard.Look
    let now: MonotonicTime

    var json: [UInt8] {
        JSONWriter.made(capacity: 8_192) { writer in
            writer.member("at", seconds: now)
            writer.array("writers") { for each in look.writers { write(each, &$0) } }
            writer.object("room") { write(look.room, &$0) }
            writer.object("backups") { writer in
                writer.member("at", seconds: look.backupsAt)
                writer.member("items", each: look.backups) { backup, writer in
                    writer.member("kind", backup.kind)
                    writer.member("finished", backup.finished)
                    writer.member("old", backup.isOld)
                }
            }
        }.bytes
    }

    private func write(_ writer: StoreBoard.Writer, _ json: inout JSONWriter) {
        let (service, page) = (writer.service, writer.page)
        json.object { json in
            json.member("name", service.shownName)
            json.member("store", page.store)
            json.member("at", seconds: service.measuredAt)
            if let problem = service.problem { json.member("problem", OverviewMaker.line(problem)) }
            json.member("ready", service.isReady)
            if let breaker = page.metrics?.breaker { json.member("breaker", breaker) }
            let numbers = [
                ("rows", writer.rowsPerSecond), ("batches", writer.batchesPerSecond),
                ("rows_per_batch", writer.rowsPerBatch), ("latency", writer.latencySeconds),
                ("errors", writer.errorsPerSecond),
            ]
            for (name, number) in numbers { if let number { json.member(name, number) } }
            if let rows = service.queue.rows { json.member("queue", rows) }
            if let rows = service.queue.rowsMax { json.member("queue_max", rows) }
            if let lag = writer.unwritten { json.member("unwritten", lag) }
            json.member("apart", each: page.apart) { each, json in
                json.member("table", each.table)
                json.member("reason", OverviewMaker.line(each.reason))
                json.member("behind", each.behindSeconds)
                if each.since.isDefined { json.member("since", each.since.description) }
            }
            json.member("threads", values: page.workers.map(\.state))
            let error = page.workers.compactMap(\.lastError).first
            if let error { json.member("error", OverviewMaker.line(error)) }
            if let durable = page.isDurable { json.member("durable", durable) }
            json.member("problems", values: page.problems)
            if let problem = page.databaseProblem {
                json.member("database_problem", OverviewMaker.line(problem))
            }
        }
    }

    private func write(_ room: StoreBoard.Room, _ json: inout JSONWriter) {
        json.member("at", seconds: room.measuredAt)
        if room.sizedAt.isDefined {
            json.member("sized_at", Double(room.sizedAt.nanoseconds) / 1e9)
        }
        json.member("used", room.used)
        if let capacity = room.capacity { json.member("capacity", capacity) }
        if let free = room.free { json.member("free", free) }
        if let growth = room.growthPerSecond { json.member("growth", growth) }
        json.member("growth_seconds", room.growthSeconds)
        if let full = room.fullSeconds { json.member("full", full) }
        if let trouble = room.trouble {
            json.member("trouble", trouble.words)
            json.member("runbook", trouble.runbook)
        }
        json.array("tables") { json in
            for (table, bytes) in room.tables.sorted(by: {
                ($1.value, $0.key) < ($0.value, $1.key)
            }) {
                json.object { json in
                    json.member("name", table)
                    json.member("bytes", bytes)
                }
            }
        }
    }
}
