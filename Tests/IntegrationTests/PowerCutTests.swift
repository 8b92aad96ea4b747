import TestSupport
import Testing

extension IntegrationTests {
    /// The power of the machine with the tape fails; the services run elsewhere and live on.
    @Suite(
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
            try pipeline.drain()
            try pipeline.expectCleanAudit()
            pipeline.stopAll()
            withExtendedLifetime(disk) {}
        }
    }
}
