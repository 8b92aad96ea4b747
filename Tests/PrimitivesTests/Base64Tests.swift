import Primitives
import Testing

@Suite("Base64")
struct Base64Tests {
    @Test(
        "base64 is read and written as the RFC's examples say",
        arguments: [
            ("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"), ("Zm9vYmFy", "foobar"), ("w7/Dvg==", "ÿþ"),
        ])
    func base64(text: String, decoded: String) {
        #expect(Base64.decode(text) == Array(decoded.utf8))
        #expect(Base64.encode(Array(decoded.utf8)) == text)
    }

    @Test(
        "what is not base64 is refused",
        arguments: [
            "Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Z g=", "Zm9v\n", "Zm-v",
            "Zm_v", "=m9v", "Zm=v", "Zgé=",
        ])
    func notBase64(text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test("base64 has every byte at every place")
    func base64Bytes() {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        for byte in UInt8.min...UInt8.max {
            let bits = UInt32(byte) << 16 | UInt32(byte) << 8 | UInt32(byte)
            let text = String([18, 12, 6, 0].map { alphabet[Int(bits >> UInt32($0) & 63)] })
            #expect(Base64.decode(text) == [byte, byte, byte])
            #expect(Base64.encode([byte, byte, byte]) == text)
        }
    }
}
