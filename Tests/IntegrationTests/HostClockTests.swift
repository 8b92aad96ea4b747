import Foundation
import Primitives
import TestSupport
import Testing

/// Changes the wall clock of a gateway's process while its monotonic clock runs on, with
/// `libfaketime` and the real program.
struct FakeClock {
    /// Debian's package libfaketime. `TEST_LIBFAKETIME` names another file.
    static let library =
        ProcessInfo.processInfo.environment["TEST_LIBFAKETIME"]
        ?? "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"

    static var obstacle: String? {
        FileManager.default.fileExists(atPath: library)
            ? nil : "\(library) is missing: install Debian's package libfaketime"
    }

    private let path: String

    init(_ folder: TemporaryFolder) throws {
        path = folder.file("clock")
        try set(aheadSeconds: 0)
    }

    /// Replaces the file by a rename, so that the gateway never reads half of it.
    func set(aheadSeconds: Int) throws {
        try "\(aheadSeconds < 0 ? "" : "+")\(aheadSeconds)s\n"
            .write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// The monotonic clock stays real. Waits that use it must not use fake time, or they would end
    /// immediately.
    var environment: [String: String] {
        [
            "LD_PRELOAD": Self.library, "FAKETIME_TIMESTAMP_FILE": path,
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        ]
    }
}

extension IntegrationTests {
    @Suite(
        StormSize.night,
        .enabled(if: FakeClock.obstacle == nil, Comment(rawValue: FakeClock.obstacle ?? "")))
    struct HostClockTests {
        @Test("row 21: the host's clock is set an hour ahead, right, and an hour back")
        func steps() throws {
            let pipeline = try Pipeline(Pipeline.Load(ticks: 6_000, rate: 200, seed: 21))
            let clock = try FakeClock(pipeline.folder)
            let gateway = try pipeline.makeProcess(.gateway, clock.environment)
            pipeline.replace(.gateway, by: gateway)
            try pipeline.start(.worker(0), .worker(1), .writer)
            #expect(try eventually { try pipeline.generated > 200 })

            var told = 0
            // A step is an event, and so is the decision not to follow it; the way back is one.
            for (ahead, news) in [(3_600, 2), (0, 1), (-3_600, 2), (0, 1)] {
                try clock.set(aheadSeconds: ahead)
                told += news
                let isTold = eventually { gateway.count(of: "gateway.clock") == told }
                #expect(isTold, "\(ahead) s ahead: \(gateway.output.suffix(3_000))")
            }
            #expect(try pipeline.generated < 6_000, "the ticks ended before the clock was right")
            try pipeline.expectDrained()
            // A watermark that had followed the clock would have made every tick late.
            #expect(try pipeline.number("SELECT count(*) FROM late_ticks") == 0)
            try pipeline.expectCleanAudit()
            pipeline.stopAll()
        }
    }
}

extension ServiceProcess {
    fileprivate func count(of event: String) -> Int {
        events.count { $0["event"]?.string == event }
    }
}
