import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// The power fails on the tape's machine. The services run elsewhere and continue.
    @Suite(
        StormSize.night,
        .enabled(
            if: CrashDisk.obstacle == nil, Comment(rawValue: CrashDisk.obstacle ?? "")))
    struct PowerCutTests {
        @Test("Power cuts under load, in the shipped configuration: the audit is clean")
        func shipped() throws {
            let disk = try CrashDisk(megabytes: 512)
            var load = Pipeline.Load(ticks: 25_000, rate: 500, backlogSeconds: 40, seed: 81)
            load.streamBytes = "16MiB"
            let pipeline = try Pipeline(load, store: disk.file("store"))
            try pipeline.startAll()
            for round in 1...3 {
                let stored = try eventually {
                    try pipeline.number("SELECT sum(last_ordinal) FROM stored_ticks")
                        > round * 6_000
                }
                #expect(stored)
                pipeline.nats.pause()
                try disk.cut { pipeline.nats.kill() }
                try pipeline.nats.start()
            }
            try pipeline.expectDrained()
            try pipeline.expectCleanAudit()
            pipeline.stopAll()
            withExtendedLifetime(disk) {}
        }

        @Test("A power cut with the server's default: the gateway names the loss, the others stop")
        func byDefault() throws {
            let disk = try CrashDisk(megabytes: 512)
            var load = Pipeline.Load(ticks: 25_000, rate: 500, backlogSeconds: 20, seed: 82)
            load.streamBytes = "16MiB"
            let pipeline = try Pipeline(load, store: disk.file("store"), syncInterval: "2m")
            try pipeline.startAll()
            func stored(_ ticks: Int) throws -> Bool {
                try eventually {
                    try pipeline.number("SELECT sum(last_ordinal) FROM stored_ticks") > ticks
                }
            }
            #expect(try stored(10_500))
            let synced = try pipeline.lastOrdinals()
            try disk.sync()
            #expect(try stored(12_500))
            let standing = try pipeline.lastOrdinals()
            pipeline.nats.pause()
            try disk.cut { pipeline.nats.kill() }
            try pipeline.nats.start()
            for role in [Pipeline.Role.writer, .worker(0), .worker(1)] {
                #expect(
                    try pipeline.service(role).waits(because: "restored from a backup"), "\(role)")
            }
            let gateway = try pipeline.service(.gateway)
            for (before, after) in zip(synced, standing) {
                guard before.lastOrdinal < after.lastOrdinal else { continue }
                // The loss on a subject is noticed with its next packet.
                var event: JSONValue?
                _ = eventually {
                    event = gateway.events.first {
                        $0["event"]?.string == "tape.rolled_back"
                            && $0["subject"]?.string == after.subject
                    }
                    return event != nil
                }
                #expect(event?["lost.first"]?.uint64 ?? 0 > before.lastOrdinal, "\(after)")
                #expect(event?["lost.last"]?.uint64 ?? 0 >= after.lastOrdinal, "\(after)")
            }
            withExtendedLifetime(disk) {}
        }
    }
}
