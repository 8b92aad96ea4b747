import Foundation
import Primitives
import Testing

@Suite("Time zones")
struct ZoneFileTests {
    private func bytes(_ name: String) throws -> [UInt8] {
        let path = "/usr/share/zoneinfo/\(name)"
        return [UInt8](try #require(FileManager.default.contents(atPath: path), "\(path)"))
    }

    private func zone(_ name: String) throws -> ZoneFile {
        try #require(ZoneFile(try bytes(name)), "\(name)")
    }

    @Test(
        "offsets are those of the C library, in the table and behind it, to the second",
        arguments: [
            "America/New_York", "America/Chicago", "Europe/London", "Europe/Dublin", "Asia/Tokyo",
            "Asia/Kathmandu", "Australia/Sydney", "Australia/Lord_Howe", "Africa/Casablanca",
            "America/Nuuk", "Etc/UTC", "Asia/Kolkata", "America/Sao_Paulo", "Asia/Gaza",
        ])
    func offsets(name: String) throws {
        let zone = try zone(name)
        let system = try #require(TimeZone(identifier: name))
        var random = SeededRandom(seed: 20_261_122)
        // From 1970 to 2100.
        var times = (0..<4_000).map { _ in Int64(random.next() % 4_102_444_800) }
        var next = Date(timeIntervalSince1970: 0)
        while let change = system.nextDaylightSavingTimeTransition(after: next), times.count < 4_800
        {
            let second = Int64(change.timeIntervalSince1970)
            guard second < 4_102_444_800 else { break }
            times += [second - 1, second, second + 1]
            next = change.addingTimeInterval(1)
        }
        for time in times {
            let wanted = system.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time)))
            #expect(zone.offset(at: time) == Int64(wanted), "\(name) at \(time)")
        }
    }

    @Test("a local time is one time; of two it is the earlier, and one that is leapt over moves on")
    func local() throws {
        let zone = try zone("America/New_York")
        // 2024-03-10: 01:59:59, 02:30 (which does not exist), 03:00.
        let spring: Int64 = 1_710_028_800
        #expect(zone.time(ofLocal: spring + 7_199) == spring + 7_199 + 18_000)
        #expect(zone.time(ofLocal: spring + 9_000) == spring + 9_000 + 18_000)
        #expect(zone.time(ofLocal: spring + 10_800) == spring + 10_800 + 14_400)
        // 2024-11-03 01:30 occurs twice.
        let autumn: Int64 = 1_730_592_000
        #expect(zone.time(ofLocal: autumn + 5_400) == autumn + 5_400 + 14_400)
        #expect(zone.time(ofLocal: autumn + 7_200) == autumn + 7_200 + 18_000)
    }

    @Test("a file that is cut off or damaged is refused or read, and never traps")
    func damaged() throws {
        let good = try bytes("America/New_York")
        for length in 0..<good.count { #expect(ZoneFile(Array(good[..<length])) == nil) }
        #expect(ZoneFile([]) == nil)
        #expect(ZoneFile(Array("TZif".utf8)) == nil)
        let seed: UInt64 = 20_261_123
        var random = SeededRandom(seed: seed)
        var answered = 0
        for _ in 0..<5_000 {
            var bytes = good
            for _ in 0...(random.next() % 3) {
                // Damages headers, footers and the rest alike.
                let isHead = random.next() % 2 == 0
                let place =
                    isHead
                    ? Int(random.next() % 44) + (random.next() % 2 == 0 ? 0 : bytes.count / 3)
                    : Int(random.next() % UInt64(bytes.count))
                bytes[place] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let zone = ZoneFile(bytes) else { continue }
            answered += 1
            for time: Int64 in [.min, .max, -5_000_000_000, 0, 1_700_000_000, 9_000_000_000] {
                #expect(abs(zone.offset(at: time)) <= 200 * 3_600, "seed \(seed)")
                _ = zone.time(ofLocal: time)
            }
        }
        #expect(answered > 0 && answered < 5_000, "seed \(seed): \(answered)")
    }
}
