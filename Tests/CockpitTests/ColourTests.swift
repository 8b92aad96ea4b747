import Foundation
import Testing

@testable import Cockpit

/// The colours of the pages by their meaning, as `style.css` has them.
@Suite("The colours") struct ColourTests {
    private static let grounds = ["ground", "panel", "raised"]
    private static let words = ["text", "muted"]
    private static let meanings = [
        "good", "quiet", "warning", "bad", "unknown", "accent", "rise", "fall",
    ]
    private static let schemes = ["light", "dark"]

    /// The colours of a scheme by their names: `style.css` has the light ones first.
    private static func colours(_ scheme: String) throws -> [String: String] {
        let parts = WebFiles.text("style.css").components(separatedBy: ":root {")
        let index = try #require(schemes.firstIndex(of: scheme))
        let part = try #require(parts.dropFirst(1 + index).first?.prefix { $0 != "}" })
        return Dictionary(
            part.matches(of: /--([a-z]+): #([0-9a-f]{6});/).map {
                (String($0.1), String($0.2))
            }, uniquingKeysWith: { $1 })
    }

    /// As WCAG 2 defines it.
    private static func luminance(_ colour: String) throws -> Double {
        let number = try #require(Int(colour, radix: 16))
        let parts = [16, 8, 0].map { shift in
            let part = Double((number >> shift) & 0xff) / 255
            return part <= 0.04045 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4)
        }
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    }

    private static func contrast(_ one: String, _ other: String) throws -> Double {
        let both = try [luminance(one), luminance(other)].sorted()
        return (both[1] + 0.05) / (both[0] + 0.05)
    }

    @Test("the contrast of black and white, and of two greys, is that of WCAG")
    func known() throws {
        #expect(try Self.contrast("000000", "ffffff") == 21)
        #expect(abs(try Self.contrast("777777", "ffffff") - 4.478) < 0.001)
    }

    @Test("words and meanings are read on each ground", arguments: ColourTests.schemes)
    func readable(scheme: String) throws {
        let colours = try Self.colours(scheme)
        for ground in Self.grounds {
            for name in Self.words + Self.meanings {
                let both = (try #require(colours[name]), try #require(colours[ground]))
                let found = try Self.contrast(both.0, both.1)
                #expect(found >= 4.5, "\(name) on \(ground), \(scheme): \(found)")
            }
        }
        // The frame of what can be written into.
        let edge = try Self.contrast(
            try #require(colours["edge"]), try #require(colours["ground"]))
        #expect(edge >= 3, "edge, \(scheme): \(edge)")
    }

    @Test("no two meanings have the same colour", arguments: ColourTests.schemes)
    func different(scheme: String) throws {
        let colours = try Self.colours(scheme)
        #expect(Set(Self.meanings.compactMap { colours[$0] }).count == Self.meanings.count)
    }

    @Test("pages and pictures name no colour but these")
    func named() {
        for (name, text) in WebFiles.all where name.hasSuffix(".js") || name.hasSuffix(".css") {
            let code = String(decoding: text.bytes, as: UTF8.self)
            let rest = code.replacing(/--[a-z]+: #[0-9a-f]{6};/, with: "")
            #expect(rest.matches(of: /#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(/).isEmpty, "\(name)")
        }
    }
}
