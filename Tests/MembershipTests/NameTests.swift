import Membership
import Testing

@Suite("Names of groups and members")
struct NameTests {
    @Test(
        "a member's name is a token of subjects",
        arguments: [
            ("worker-1", true), ("A_b-9", true), ("", false), ("a.b", false), ("a b", false),
            ("a*", false), ("é", false), (String(repeating: "a", count: 64), true),
            (String(repeating: "a", count: 65), false),
        ])
    func memberName(text: String, isValid: Bool) {
        #expect((MemberName(text) != nil) == isValid)
    }

    @Test("a host's name becomes a member's name, whatever it holds")
    func hostNames() {
        #expect(MemberName(host: "pod-7.svc.local", suffix: "8501").text == "pod-7-svc-local-8501")
        #expect(MemberName(host: "", suffix: "8501").text == "h-8501")
        let long = MemberName(host: String(repeating: "é", count: 200), suffix: "8501")
        #expect(MemberName(long.text) == long)
        #expect(long.text.hasSuffix("-8501"))
        #expect(
            MemberName(MemberName(host: "a", suffix: String(repeating: "9", count: 99)).text) != nil
        )
    }

    @Test("a source's group is named after it")
    func groups() {
        #expect(GroupName("operator") == .operators)
        #expect(GroupName("Operator") == nil)
        #expect(GroupName("") == nil)
        #expect(GroupName("a.b") == nil)
    }
}
