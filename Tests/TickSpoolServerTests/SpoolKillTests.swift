import Foundation
import MarketModel
import TestSupport
import Testing

@testable import TickSpool
@testable import TickSpoolTests

/// A process that works with a spool is killed between any two of its system calls.
@Suite struct SpoolKillTests {
    /// The output of the process before it died.
    private struct Said {
        var appended: Set<UInt64> = []
        var consumed: Set<UInt64> = []
    }

    @Test("whatever is killed, all that was appended and not consumed is there, once and in order")
    func killed() throws {
        let rig = try SpoolRig()
        var all = Said()
        for round in 0..<12 as Range<UInt64> {
            let seed = UInt64.random(in: 1...UInt64.max)
            let lines = try run(rig, seed: seed, bytes: 40 + Int(round) * 900)
            for line in lines {
                let words = line.split(separator: " ")
                guard words.count == 2, let number = UInt64(words[1]) else { continue }
                if words[0] == "append" { all.appended.insert(number) }
                if words[0] == "consume" { all.consumed.insert(number) }
            }
            do {
                var settings = rig.settings
                settings.queues = 3
                let spool = try Spool(settings)
                #expect(!spool.opening.isHolderUnknown, "seed \(seed)")
            }
            let found = try self.found(rig)
            #expect(found == found.sorted(), "seed \(seed)")
            // The mark may be older than what was consumed, but never newer.
            let wanted = all.appended.subtracting(all.consumed)
            #expect(wanted.isSubset(of: found), "seed \(seed), round \(round)")
            // Frames written after the last output line may be there, too.
            let extra = Set(found).subtracting(all.appended)
            all.appended.formUnion(extra)
        }
        #expect(all.appended.count > 100)
        #expect(all.consumed.count > 10)
    }

    /// Returns the numbers of all frames that are not consumed.
    private func found(_ rig: SpoolRig) throws -> [UInt64] {
        let survey = try #require(try SpoolSurvey.all(in: rig.root).first)
        #expect(survey.tornBytes == 0)
        let reader = try SpoolReader(survey)
        var numbers: [UInt64] = []
        while let item = try reader.next() {
            switch item {
            case .packet(let spooled): numbers.append(spooled.number)
            case .damaged(let damage): Issue.record("\(damage)")
            }
        }
        #expect(UInt64(numbers.count) == survey.frames)
        return numbers
    }

    /// Runs the process until it has printed this many bytes, and kills it there.
    private func run(_ rig: SpoolRig, seed: UInt64, bytes: Int) throws -> [Substring] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try ProductPrograms.path("SpoolFixture"))
        process.arguments = [rig.root, "\(seed)"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        var said = Data()
        while said.count < bytes {
            let more = pipe.fileHandleForReading.availableData
            if more.isEmpty { break }
            said.append(more)
        }
        kill(process.processIdentifier, SIGKILL)
        said.append(pipe.fileHandleForReading.readDataToEndOfFile())
        process.waitUntilExit()
        return String(decoding: said, as: UTF8.self).split(separator: "\n")
    }
}
