import Primitives

/// What the writers do, and how much room the database has. It remembers rates and growth. Pure.
struct StoreBoard: Sendable {
    /// Limits of the shipped alerts DiskFilling, DiskNearlyFull and BackupTooOld.
    static let fullSecondsMin = 259_200.0
    static let usedMax = 0.9
    static let backupSecondsMax = ["base": 108_000.0, "dump": 108_000.0, "log": 900.0]
    /// The most processes whose rates are kept. Further ones have none.
    static let writersMax = 256

    struct Writer: Equatable, Sendable {
        let service: Sighting.Service
        let page: WriterPage
        var rowsPerSecond: Double?
        var batchesPerSecond: Double?
        var rowsPerBatch: Double?
        /// The mean duration of the transactions of the last seconds.
        var latencySeconds: Double?
        var errorsPerSecond: Double?
        /// What is not written of the partitions that it holds. `nil` if nobody says.
        var unwritten: PartitionShares.Lag?
    }

    struct Backup: Equatable, Sendable {
        let kind: String
        /// Seconds since 1970.
        let finished: Double
        let isOld: Bool
    }

    struct Room: Equatable, Sendable {
        var tables: [String: UInt64] = [:]
        var capacity: UInt64?
        var growthPerSecond: Double?
        var growthSeconds = 0.0
        /// When a writer answered.
        var measuredAt = MonotonicTime.distantPast
        /// When the sizes were measured, by the wall clock of the writer that did it: minutes ago,
        /// because that reads every part of every table. Undefined: not known.
        var sizedAt = Timestamp.undefined

        var used: UInt64 { tables.values.reduce(0, &+) }
        var free: UInt64? { capacity.map { $0 > used ? $0 - used : 0 } }

        /// As the shipped rule has it: room by growth. `nil` while it does not grow.
        var fullSeconds: Double? {
            guard let free, let growthPerSecond, growthPerSecond > 0 else { return nil }
            return Double(free) / growthPerSecond
        }

        /// What is wrong with the room, with its runbook.
        var trouble: (words: String, runbook: String)? {
            if let capacity, Double(used) > Double(capacity) * usedMax {
                return ("more than 90 % of the room is used", "Disk")
            }
            if let fullSeconds, fullSeconds < fullSecondsMin {
                return ("it is full in less than three days", "Disk")
            }
            return nil
        }
    }

    struct Look: Equatable, Sendable {
        var writers: [Writer] = []
        var room = Room()
        var backups: [Backup] = []
        /// When the pages that say so were asked.
        var backupsAt = MonotonicTime.distantPast
    }

    private struct Meters {
        var rows = RateMeter()
        var batches = RateMeter()
        var errors = RateMeter()
        var microseconds = RateMeter()
        var notedAt = MonotonicTime.distantPast
    }

    /// One process. An address may lead to another one each time, with counters of its own.
    private struct Key: Hashable {
        let address: String
        let instance: String
    }

    /// The rates of a process that was not asked for so long are forgotten.
    private static let memoryNanoseconds: Int64 = 60_000_000_000

    private var meters: [Key: Meters] = [:]
    private var growth = GrowthMeter()

    /// Forgets rates: nobody has looked. Growth stays.
    mutating func restart() { meters = [:] }

    /// Notes what is needed for the growth. The page need not be open.
    mutating func note(_ sighting: Sighting) {
        let room = Self.room(sighting)
        if room.measuredAt != .distantPast, room.used > 0 {
            growth.note(room.used, at: room.measuredAt)
        }
    }

    /// `time` is the wall clock's in seconds since 1970, for the ages of backups.
    mutating func make(_ sighting: Sighting, time: Double) -> Look {
        var look = Look()
        meters = meters.filter { sighting.now - $0.value.notedAt < Self.memoryNanoseconds }
        for service in sighting.services.value ?? [] {
            guard let page = service.writer else { continue }
            look.writers.append(writer(service, page, sighting))
        }
        look.room = Self.room(sighting)
        look.room.growthPerSecond = growth.perSecond
        look.room.growthSeconds = Double(growth.spanNanoseconds) / 1e9
        var backups: [String: Double] = [:]
        for service in sighting.freshServices {
            guard let metrics = service.writer?.metrics else { continue }
            look.backupsAt = max(look.backupsAt, service.measuredAt)
            backups.merge(metrics.backups) { max($0, $1) }
        }
        look.backups = backups.sorted { $0.key < $1.key }.map { kind, finished in
            Backup(
                kind: kind, finished: finished,
                isOld: Self.backupSecondsMax[kind].map { time - finished > $0 } ?? false)
        }
        return look
    }

    /// Each writer of a store measures the sizes of the same tables; those that were measured last
    /// count. The page shows the store whose database the cockpit reads.
    private static func room(_ sighting: Sighting) -> Room {
        var room = Room()
        let store = sighting.database.value?.store
        for service in sighting.freshServices {
            guard let page = service.writer, !page.bytes.isEmpty, page.store == store ?? page.store
            else { continue }
            room.measuredAt = max(room.measuredAt, service.measuredAt)
            let isNewer =
                page.bytesAt.isDefined
                && (!room.sizedAt.isDefined || page.bytesAt > room.sizedAt)
            if room.tables.isEmpty || isNewer {
                (room.tables, room.sizedAt) = (page.bytes, page.bytesAt)
            }
            if let capacity = page.metrics?.capacityBytes {
                room.capacity = max(room.capacity ?? 0, capacity)
            }
        }
        return room
    }

    private mutating func writer(
        _ service: Sighting.Service, _ page: WriterPage, _ sighting: Sighting
    ) -> Writer {
        var writer = Writer(service: service, page: page)
        writer.unwritten = Self.unwritten(service.process.member, of: page.store, sighting)
        let key = Key(address: service.address, instance: page.instance)
        guard let metrics = page.metrics, meters[key] != nil || meters.count < Self.writersMax
        else { return writer }
        var own = meters[key] ?? Meters()
        own.notedAt = service.measuredAt
        own.rows.note(metrics.rows, at: service.measuredAt)
        own.batches.note(metrics.batches, at: service.measuredAt)
        own.errors.note(metrics.errors, at: service.measuredAt)
        own.microseconds.note(metrics.microseconds, at: service.measuredAt)
        meters[key] = own
        writer.rowsPerSecond = own.rows.perSecond
        writer.batchesPerSecond = own.batches.perSecond
        writer.errorsPerSecond = own.errors.perSecond
        if let batches = own.batches.perSecond, batches > 0 {
            writer.rowsPerBatch = own.rows.perSecond.map { $0 / batches }
            writer.latencySeconds = own.microseconds.perSecond.map { $0 / 1e6 / batches }
        }
        return writer
    }

    private static func unwritten(
        _ member: String, of store: String, _ sighting: Sighting
    ) -> PartitionShares.Lag? {
        let held = sighting.members.filter {
            $0.group == store && $0.name == member && $0.isHeard(at: sighting.now)
        }.flatMap(\.held)
        let lags = held.compactMap { sighting.shares.lags[store]?[$0] }
        guard !lags.isEmpty else { return nil }
        return lags.reduce(into: PartitionShares.Lag()) { sum, lag in
            let (records, overflow) = sum.records.addingReportingOverflow(lag.records)
            sum.records = overflow ? .max : records
            sum.seconds = sum.seconds.flatMap { known in lag.seconds.map { max(known, $0) } }
            sum.reportedAt = max(sum.reportedAt, lag.reportedAt)
        }
    }
}
