use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The first and the last address of every denied range, and the neighbours outside where those are public.
#[test]
fn every_row_is_denied_from_edge_to_edge() {
    let rows: [(&str, &str, &str, &[&str]); 36] = [
        ("0.0.0.0", "0.255.255.255", "this network", &["1.0.0.0"]),
        ("10.0.0.0", "10.255.255.255", "private", &["9.255.255.255", "11.0.0.0"]),
        ("100.64.0.0", "100.127.255.255", "carrier-grade NAT", &["100.63.255.255", "100.128.0.0"]),
        ("127.0.0.0", "127.255.255.255", "loopback", &["126.255.255.255", "128.0.0.0"]),
        ("169.254.0.0", "169.254.255.255", "link-local", &["169.253.255.255", "169.255.0.0"]),
        ("169.254.169.254", "169.254.169.254", "metadata", &[]),
        ("172.16.0.0", "172.31.255.255", "private", &["172.15.255.255", "172.32.0.0"]),
        ("192.0.0.0", "192.0.0.255", "IETF", &["191.255.255.255", "192.0.1.0"]),
        ("192.0.0.192", "192.0.0.192", "metadata", &[]),
        ("192.0.2.0", "192.0.2.255", "documentation", &["192.0.1.255", "192.0.3.0"]),
        ("192.88.99.0", "192.88.99.255", "6to4", &["192.88.98.255", "192.88.100.0"]),
        ("192.168.0.0", "192.168.255.255", "private", &["192.167.255.255", "192.169.0.0"]),
        ("198.18.0.0", "198.19.255.255", "benchmarking", &["198.17.255.255", "198.20.0.0"]),
        ("198.51.100.0", "198.51.100.255", "documentation", &["198.51.99.255", "198.51.101.0"]),
        ("203.0.113.0", "203.0.113.255", "documentation", &["203.0.112.255", "203.0.114.0"]),
        ("224.0.0.0", "239.255.255.255", "multicast", &["223.255.255.255"]),
        ("240.0.0.0", "255.255.255.254", "reserved", &[]),
        ("255.255.255.255", "255.255.255.255", "broadcast", &[]),
        ("::", "::", "unspecified", &[]),
        ("::1", "::1", "loopback", &[]),
        ("::2", "::ffff:ffff", "IPv4-compatible", &[]),
        ("::ffff:10.0.0.0", "::ffff:10.255.255.255", "private", &["::ffff:9.255.255.255", "::ffff:11.0.0.0"]),
        ("64:ff9b::", "64:ff9b::ffff:ffff", "NAT64", &[]),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "NAT64", &[]),
        ("100::", "100::ffff:ffff:ffff:ffff", "discard", &[]),
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "Teredo", &["2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]),
        ("2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "IETF", &["2001:200::"]),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation", &["2001:db7:ffff::", "2001:db9::"]),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4", &["2001:ffff::", "2003::"]),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation", &["3ffe:ffff::", "3fff:1000::"]),
        ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "segment routing", &[]),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique local", &[]),
        ("fd00:ec2::254", "fd00:ec2::254", "metadata", &[]),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local", &[]),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local", &[]),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast", &[]),
    ];
    let none = Policy::default();
    for (first, last, what, outside) in rows {
        for inside in [first, last] {
            assert!(
                special(address(inside)).is_some_and(|found| found.contains(what)),
                "{inside}: {:?}",
                special(address(inside))
            );
            assert!(none.judge(address(inside)).is_err(), "{inside}");
        }
        for outside in outside {
            assert_eq!(special(address(outside)), None, "{outside}");
            assert_eq!(none.judge(address(outside)), Ok(()), "{outside}");
        }
    }
}

#[test]
fn what_is_not_global_unicast_is_denied() {
    for text in ["::1:0:0:0", "1::", "200::", "4000::", "8000::1", "e000::", "fe00::"] {
        assert!(special(address(text)).is_some(), "{text}");
    }
    for text in ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "::ffff:8.8.8.8"] {
        assert_eq!(special(address(text)), None, "{text}");
    }
}

#[test]
fn an_embedded_address_is_judged_even_where_its_carrier_is_allowed() {
    let carriers = ["::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"];
    let policy = Policy::new(carriers.iter().map(|rule| rule.parse().unwrap()).collect());
    for (private, public) in [
        ("::10.0.0.1", "::8.8.8.8"),
        ("64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8"),
        ("64:ff9b:1::10.0.0.1", "64:ff9b:1::8.8.8.8"),
        ("2002:a00:1::", "2002:808:808::"),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", "2001:0:4136:e378:8000:63bf:f7f7:f7f7"),
    ] {
        let forbidden = policy.judge(address(private)).unwrap_err();
        assert_eq!((forbidden.address, forbidden.what), (address("10.0.0.1"), "a private address"), "{private}");
        assert_eq!(policy.judge(address(public)), Ok(()), "{public}");
    }
}

#[test]
fn rules_are_subnets_addresses_and_names() {
    let policy =
        Policy::new(["10.0.0.0/8", "127.0.0.1", "::1", "Receiver.Internal."].iter().map(|rule| rule.parse().unwrap()).collect());
    for allowed in ["10.1.2.3", "127.0.0.1", "::ffff:127.0.0.1", "::1"] {
        assert_eq!(policy.judge(address(allowed)), Ok(()), "{allowed}");
    }
    assert_eq!(policy.judge(address("127.0.0.2")).unwrap_err().rule().to_string(), "127.0.0.2/32");
    assert!(policy.allows_name("receiver.internal") && policy.allows_name("RECEIVER.internal."));
    assert!(!policy.allows_name("x.receiver.internal") && !policy.allows_name("internal"));
    for bad in ["", "10.0.0.0/33", "*.internal", "http://x", "a b", "x/8", "x:80", "127.0..", "a..b", ".", ".."] {
        assert!(bad.parse::<AllowRule>().is_err(), "{bad}");
    }
    let rule: AllowRule = serde_json::from_str("\"10.1.2.3/8\"").unwrap();
    assert_eq!(serde_json::to_string(&rule).unwrap(), "\"10.0.0.0/8\"");
}
