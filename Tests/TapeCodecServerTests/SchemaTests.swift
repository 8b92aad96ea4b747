import Foundation
import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import TapeCodecTests

/// `tape.sbe.xml` describes the bytes: a decoder in another language that reads only the schema
/// finds in the golden packets the values that were put in.
@Suite struct SchemaTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private struct Message: Decodable, Equatable {
        var message: String
        var fields: [String: String]
    }

    private func python(_ arguments: [String]) throws -> Data {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            [
                "python3",
                Self.root.appendingPathComponent("Tests/TapeCodecTests/decode_packet.py").path,
                Self.root.appendingPathComponent("Sources/Tape/TapeCodec/tape.sbe.xml").path,
            ] + arguments
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return data
    }

    @Test("a decoder that knows only the schema reads every field of every golden packet")
    func independentDecoder() throws {
        let names = GoldenPacketTests.names
        let data = try python(names.map { GoldenPacketTests.file($0).path })
        let decoded = try JSONDecoder().decode([[Message]].self, from: data)
        #expect(decoded.count == names.count)
        for (name, messages) in zip(names, decoded) {
            let expected = try self.expected(name)
            #expect(messages.map(\.message) == expected.map(\.message), "\(name)")
            for (found, wanted) in zip(messages, expected) {
                for (field, value) in wanted.fields {
                    #expect(
                        found.fields[field] == value, "\(name): \(wanted.message).\(field)")
                }
                #expect(Set(found.fields.keys) == Set(wanted.fields.keys), "\(wanted.message)")
            }
        }
    }

    @Test("the tables of the documentation are those of the schema")
    func documentation() throws {
        let tables = try #require(String(data: try python(["--tables"]), encoding: .utf8))
        let page = try String(
            contentsOf: Self.root.appendingPathComponent("docs/wire-format.md"), encoding: .utf8)
        let marked =
            "<!-- The lines up to the end mark are made by decode_packet.py --tables. -->\n\n"
            + tables + "\n<!-- The end of what decode_packet.py makes. -->\n"
        #expect(page.hasSuffix(marked), "decode_packet.py SCHEMA --tables prints them")
    }

    @Test("the schema has every template, with the block that is written")
    func blocks() throws {
        let tables = try #require(String(data: try python(["--tables"]), encoding: .utf8))
        let control: [(UInt16, Int)] = [
            (WireFormat.Template.packetHeader, WireFormat.Block.packetHeader),
            (WireFormat.Template.epochMarker, WireFormat.Block.epochMarker),
            (WireFormat.Template.outputState, WireFormat.Block.outputState),
            (WireFormat.Template.sourceOrdinal, WireFormat.Block.sourceOrdinal),
            (WireFormat.Template.symbolDefinition, WireFormat.Block.symbolDefinitionWithLot),
            (WireFormat.Template.sourceState, WireFormat.Block.sourceStateWithWatermark),
            (WireFormat.Template.groupMember, WireFormat.Block.groupMember),
            (
                WireFormat.Template.seriesDefinition,
                WireFormat.Block.seriesDefinitionWithLateness
            ),
        ]
        let templates = control + RecordKind.templates.map { ($0, $1.block) }
        for (template, block) in templates {
            let number = String(format: "0x%04x", template)
            #expect(tables.contains("Template \(number), block of \(block) bytes,"))
        }
        #expect(tables.components(separatedBy: "\nTemplate 0x").count - 1 == templates.count)
    }

    @Test("each kind of record has a template of its own, and no two share a low byte")
    func templates() {
        #expect(Set(RecordKind.templates.map(\.kind)) == Set(RecordKind.allCases))
        #expect(RecordKind.templates.count == RecordKind.allCases.count)
        #expect(
            Set(RecordKind.templates.map { $0.template & 0xff }).count == RecordKind.templates.count
        )
        #expect(RecordKind.templates.allSatisfy { WireFormat.Template.isTick($0.template) })
    }

    // MARK: what was put in

    private func marker(definition: Int, generation: Int) -> Message {
        message(
            "EpochMarker",
            [
                "startOrdinal": "1000001", "previousEpoch": "6", "previousSequence": "88",
                "definition": "\(definition)", "generation": "\(generation)",
            ])
    }

    private func states(watermark: String? = nil) throws -> [Message] {
        let output = try Samples.outputState()
        let states = [
            ("22", "ibkr-delayed", "silent", "delayed"), ("23", "old", "retired", "real"),
            ("undefined", "synthetic", "present", "madeUp"),
        ]
        var messages = [message("OutputState", ExpectedFields.output(output))]
        messages += output.input.sources.map {
            message("SourceOrdinal", ExpectedFields.source($0))
        }
        messages += states.map {
            message(
                "SourceState", ["since": $0.0, "source": $0.1, "presence": $0.2, "kind": $0.3])
        }
        if let watermark { messages[messages.count - 1].fields["watermark"] = watermark }
        return messages
    }

    private func members() throws -> [Message] {
        let state = try Samples.outputState()
        return [message("OutputState", ExpectedFields.output(state))]
            + state.input.sources.map { message("SourceOrdinal", ExpectedFields.source($0)) }
            + (try Samples.members().map {
                message("GroupMember", ["source": $0.source.text, "group": $0.group.text])
            })
    }

    private func expected(_ name: String) throws -> [Message] {
        let packet = try GoldenPacketTests.packet(name)
        var messages = [message("PacketHeader", ExpectedFields.header(packet.header))]
        func apple(source: String = "") -> Message {
            message(
                "SymbolDefinition",
                ExpectedFields.symbol(0, "AAPL", source: source))
        }
        var series = message(
            "SeriesDefinition", ["index": "1", "widthNanoseconds": "60000000000", "name": "1m"])
        if name == "bars-lateness" { series.fields["latenessNanoseconds"] = "2000000000" }
        switch name {
        case "ticks", "ticks-lot":
            var second = message("SymbolDefinition", ExpectedFields.symbol(1, "AAPL"))
            if name == "ticks-lot" {
                let stated = [
                    ("lot", "4000000000"), ("lotFrom", "1777593600000000000"),
                    ("lotBefore", "1000000000"),
                ]
                for (key, value) in stated { second.fields[key] = value }
            }
            messages += [
                message("SymbolDefinition", ExpectedFields.symbol(0, "😀 BRK.B")),
                message("Trade", ExpectedFields.trade(try Samples.trade(symbol: 0))),
                second,
                message("Quote", ExpectedFields.quote(try Samples.quote(symbol: 1))),
                message("Trade", ExpectedFields.trade(try Samples.trade(symbol: 1))),
            ]
        case "bars", "bars-lateness":
            let state = try Samples.outputState()
            messages += [
                apple(source: "synthetic"), series,
                message("Bar", ExpectedFields.bar(try Samples.bar(symbol: 0, series: 1))),
                message("OutputState", ExpectedFields.output(state)),
            ]
            messages += state.input.sources.map {
                message("SourceOrdinal", ExpectedFields.source($0))
            }
        case "members": messages += try members()
        case "marker": messages.append(marker(definition: 99, generation: 2))
        case "states": messages += try states()
        case "states-watermark": messages += try states(watermark: "24")
        case "retirement":
            messages.append(marker(definition: 0, generation: 0))
        case "watermark": break
        case "late":
            messages += [
                apple(), series,
                message("LateTick", ExpectedFields.late(try TickSamples.lateTrade(series: 1))),
                message("LateTick", ExpectedFields.late(try TickSamples.lateQuote(series: 1))),
            ]
        default:
            let ticks = try ExpectedFields.ticks(name)
            if ticks.first?.1["symbol"] == "0" { messages.append(apple()) }
            messages += ticks.map { message($0.0, $0.1) }
        }
        return messages
    }

    private func message(_ name: String, _ fields: [String: String]) -> Message {
        Message(message: name, fields: fields)
    }
}
