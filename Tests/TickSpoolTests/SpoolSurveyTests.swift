import Foundation
import MarketModel
import Primitives
import TapeCodec
import TestSupport
import Testing

@testable import TickSpool

@Suite struct SpoolSurveyTests {
    @Test("a folder that is not there holds no spools")
    func nothing() throws {
        #expect(try SpoolSurvey.all(in: "/no/such/folder").isEmpty)
        #expect(try SpoolSurvey.aside("synthetic-20260105T143000Z", in: "/no/such") == nil)
    }

    @Test("spools in use and set aside are seen with what they hold, while a gateway works")
    func all() throws {
        let rig = try SpoolRig()
        let spool = try rig.open()
        try spool.hold([(Partition(2), 1), (Partition(2), 2)])
        let packets = [
            try rig.maker.packet(2), try rig.maker.packet(2, ticks: 2), try rig.maker.packet(7),
        ]
        try spool.append(packets)
        let now = Timestamp(nanoseconds: PacketMaker.start)
        let name = try #require(try spool.setAside(reason: "fenced by 9", now: now)).name
        try spool.append([try rig.maker.packet(3), try rig.maker.packet(3)])
        #expect(try spool.take()?.number == 4)
        try spool.consume(4)
        let found = try SpoolSurvey.all(in: rig.root)
        #expect(found.map(\.name) == ["synthetic", name])
        #expect(found[0].frames == 1 && found[0].ticks == 3 && !found[0].isAside)
        #expect(found[0].source == rig.source)
        let aside = found[1]
        #expect(aside.isAside && !aside.isReplayed && aside.source == rig.source)
        #expect(aside.reason == "fenced by 9" && aside.time == now)
        #expect(aside.frames == 3 && aside.ticks == 8)
        #expect(aside.damagedFrames == 0 && aside.tornBytes == 0)
        #expect(aside.shares.map(\.partition) == [Partition(2), Partition(7)])
        #expect(aside.shares[0].epochs == [1] && aside.shares[0].holderEpochs == [1, 2])
        #expect(aside.shares[0].ordinals == 1...5)
        #expect(aside.oldestEventTime == packets[0].oldestEventTime)
        #expect(aside.watermark == packets[2].header.watermark)
        #expect(try SpoolSurvey.aside(name, in: rig.root) == aside)
        for other in ["synthetic", "../synthetic", "x-20260105T143000Z", "\(name)/.."] {
            #expect(try SpoolSurvey.aside(other, in: rig.root) == nil)
        }
    }

    @Test("one that was set aside is read as often as one likes, and can be marked as replayed")
    func reading() throws {
        let rig = try SpoolRig()
        let spool = try rig.open()
        let packets = try (0..<5).map { try rig.maker.packet($0) }
        try spool.append(packets)
        let now = Timestamp(nanoseconds: PacketMaker.start)
        let name = try #require(try spool.setAside(reason: "r", now: now)).name
        for round in 0..<2 {
            let survey = try #require(try SpoolSurvey.aside(name, in: rig.root))
            #expect(survey.isReplayed == (round > 0))
            let reader = try SpoolReader(survey)
            var found: [SealedPacket] = []
            while case .packet(let spooled)? = try reader.next() { found.append(spooled.packet) }
            #expect(found.bytes == packets.bytes)
            try reader.markReplayed("all of it")
        }
    }
}
